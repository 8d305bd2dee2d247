"""Eager mode: what is sent runs at once, in the caller. An engine of a few lines, without delays, crashes or locks."""

from __future__ import annotations

import asyncio
import contextvars
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future

from postroad.core.delivery import Delivery
from postroad.core.message import Receipt, Refused, Send
from postroad.core.outcome import Release, Settlement
from postroad.core.writes import Document, Put, Write
from postroad.engine.context import CURRENT
from postroad.engine.handler import Handler, Job
from postroad.engine.pipeline import Pipeline
from postroad.engine.portal import PORTAL, refuse_on_loop
from postroad.engine.publisher import accepted, keep, refuse_at_import
from postroad.ports.driver import DeadLetterFilter, DeadLetterRecord, Located
from postroad.tasks.route import Route

RUNS_MAX = 1_000
"""A handler that always says RetryLater(counted=False) is left alone after this many runs."""

Resolve = Callable[[Delivery], Handler | None]
Answer = Receipt | Refused
Course = Generator[Job, Settlement, None]


def eager_route(resolve: Resolve) -> Route:
    """Where sends run at once."""
    engine = EagerEngine(resolve)

    async def memory() -> EagerEngine:
        return engine

    return Route(engine, memory)


class EagerEngine:
    """Outbound and memory in one. An error of a handler is its own: it is kept for ``get``, the caller goes on."""

    def __init__(self, resolve: Resolve) -> None:
        self.resolve = resolve
        self.pipeline = Pipeline("eager")
        self.documents: dict[tuple[str, str], Document] = {}
        self.seen: set[str] = set()

    # Outbound

    def send(
        self,
        sends: list[Send],
        verb: str,
        line: str,
        now: bool = False,
        timeout_s: float | None = None,
        durability: str | None = None,
    ) -> Sequence[Receipt]:
        """Run them, and what they send, before it returns; from inside a handler, after the handler."""
        context = CURRENT.get()
        if context is not None and not now and not context.send_now:
            return keep(context, sends)
        refuse_on_loop(verb, line)
        return accepted(self.submit(sends).result())

    async def asend(
        self, sends: list[Send], now: bool = False, timeout_s: float | None = None, durability: str | None = None
    ) -> Sequence[Receipt]:
        """The same; coroutines run on the caller's loop."""
        context = CURRENT.get()
        if context is not None and not now and not context.send_now:
            return keep(context, sends)
        refuse_at_import()
        return accepted([await self.run_async(send) for send in sends])

    def submit(self, sends: list[Send]) -> Future[Sequence[Answer]]:
        """Run them; the Future is answered already."""
        refuse_at_import()
        done: Future[Sequence[Answer]] = Future()
        done.set_result([self.run(send) for send in sends])
        return done

    def run(self, send: Send) -> Answer:
        answer = self.admit(send)
        if isinstance(answer, Receipt) and answer.duplicate_of is None:
            course = self.course(send)
            job = next(course, None)
            while job is not None:
                job = following(course, self.run_job(job))
        return answer

    async def run_async(self, send: Send) -> Answer:
        answer = self.admit(send)
        if isinstance(answer, Receipt) and answer.duplicate_of is None:
            course = self.course(send)
            job = next(course, None)
            while job is not None:
                job = following(course, await self.run_job_async(job))
        return answer

    def run_job(self, job: Job) -> Settlement:
        """In a context of its own: the caller may be a handler too."""
        if job.handler.executor == "coroutine":
            return contextvars.copy_context().run(PORTAL.run, self.pipeline.run_async(job))
        return contextvars.copy_context().run(self.pipeline.run, job)

    async def run_job_async(self, job: Job) -> Settlement:
        if job.handler.executor == "coroutine":
            return await asyncio.create_task(self.pipeline.run_async(job))
        return contextvars.copy_context().run(self.pipeline.run, job)

    def admit(self, send: Send) -> Answer:
        message = send.message
        if self.resolve(Delivery(message, send.to.routing_key, (0, 0))) is None:
            return Refused(message.id, "unroutable", "eager mode knows only the app's own tasks")
        if message.dedupe and message.id in self.seen:
            return Receipt(message.id, duplicate_of=message.id)
        self.seen.add(message.id)
        return Receipt(message.id)

    def course(self, first: Send) -> Course:
        """The runs that this message leads to: its own, its retries (at once), and those of what it sends."""
        waiting = deque([first])
        while waiting:
            send, attempt = waiting.popleft(), 1
            for _ in range(RUNS_MAX):
                delivery = Delivery(send.message, send.to.routing_key, (0, 0), attempt)
                handler = self.resolve(delivery)
                if handler is None:
                    break
                settlement = yield Job(delivery, handler)
                self.remember(settlement.writes)
                if not isinstance(settlement.outcome, Release):
                    waiting.extend(settlement.sends)
                    break
                attempt += settlement.outcome.counted

    def remember(self, writes: Sequence[Write]) -> None:
        for write in writes:
            if isinstance(write, Put):
                document = Document(write.kind, write.key, write.value, write.tag, write.expires_at)
                self.documents[write.kind, write.key] = document

    # Memory

    async def get(self, kind: str, keys: Sequence[str]) -> Sequence[Document]:
        """As Store.get."""
        return [self.documents[kind, key] for key in keys if (kind, key) in self.documents]

    async def changed(self, timeout_s: float) -> None:
        """Nothing changes while somebody waits: all has run."""
        await asyncio.sleep(timeout_s)

    async def locate(self, ids: Sequence[str]) -> Sequence[Located]:
        """Nothing waits."""
        return ()

    async def dead_letters(
        self, which: DeadLetterFilter, limit: int, before: int | None = None
    ) -> Sequence[DeadLetterRecord]:
        """None are kept: the errors are with the results."""
        return ()

    async def cancel(self, ids: Sequence[str], reason: str, writes: Sequence[Write] = ()) -> Sequence[str]:
        """Too late for all."""
        return ()


def following(course: Course, settlement: Settlement) -> Job | None:
    """The next run; None when the course is over."""
    try:
        return course.send(settlement)
    except StopIteration:
        return None

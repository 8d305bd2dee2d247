"""Eager mode: what is sent runs at once, in the caller. An event bus of a few lines, without delays, crashes or locks.

Every queue's handler gets its copy, one after the other; what a handler sends is handled after it, and after those that
were sent before. A handler that fails sends nothing, and is nobody else's trouble.
"""

from __future__ import annotations

import asyncio
import contextvars
import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future
from typing import NoReturn

import msgspec

from postroad.app.connection import EngineConnection
from postroad.core.delivery import Attempt, Delivery
from postroad.core.fingerprint import fingerprint
from postroad.core.message import Address, Message, Receipt, Refused, Send
from postroad.core.outcome import Reject, Release, Settlement
from postroad.core.routing import DEAD_LETTERS, RoutingTable
from postroad.core.topology import Topology
from postroad.core.writes import Document, Put, Write
from postroad.engine.batching import BatchJob, run_batch, run_batch_async
from postroad.engine.context import CURRENT
from postroad.engine.handler import Handler, Job
from postroad.engine.identity import new_id
from postroad.engine.pipeline import Pipeline
from postroad.engine.portal import PORTAL, refuse_on_loop
from postroad.engine.publisher import accepted, keep, refusal, refuse_at_import
from postroad.errors import MessageError, NotSupported
from postroad.ports.driver import DeadLetterFilter, DeadLetterRecord, Driver, Located
from postroad.tasks.route import Route

RUNS_MAX = 1_000
"""A handler that always says RetryLater(counted=False) is left alone after this many runs."""

NOTICE_HEADER, OWN_QUEUES = "postroad-dead-letter", "dead-letters."
"""What tells of a dead letter, and where it goes: nobody is told of the death of one of these."""

Resolve = Callable[[Delivery], Handler | None]
Answer = Receipt | Refused
Course = Generator[Job, Settlement, None]


class Failed(msgspec.Struct, frozen=True):
    """A handler that failed for good: its name, what it was given, and what it raised at last."""

    handler: str
    message: Message
    error: BaseException


class EagerConnection(EngineConnection):
    """There is no engine behind it; it knows when something was declared."""

    def __init__(self, topology: Callable[[], Topology]) -> None:
        super().__init__(str, topology)
        self.table: RoutingTable | None = None
        self.queues: dict[str, int] = {}

    def changed(self) -> None:
        """The table of routes is made again at the next send."""
        self.table = None

    async def open(self) -> NoReturn:
        """Raises NotSupported."""
        raise NotSupported(
            "In eager mode nothing waits anywhere, so there is no engine to look into: use app.testing(), or a worker."
        )

    async def ensure(self) -> Driver:
        """Raises NotSupported."""
        return await self.open()

    def routes(self) -> RoutingTable:
        """Of all that is declared now."""
        if self.table is None:
            topology = self.topology()
            self.table = RoutingTable(topology)
            self.queues = {queue.name: at for at, queue in enumerate(topology.queues)}
        return self.table


class NotingPipeline(Pipeline):
    """Keeps the error of each job that failed until somebody asks for it."""

    __slots__ = ("raised",)

    def __init__(self) -> None:
        super().__init__("eager")
        self.raised: dict[int, BaseException] = {}

    def failed(self, job: Job, error: BaseException) -> Settlement:
        """As Pipeline.failed."""
        self.raised[id(job)] = error
        return super().failed(job, error)


class EagerBus:
    """Outbound and memory in one. An error of a handler is its own: it is kept in ``errors`` (and for a task's ``get``), the
    caller goes on. ``unhandled``: what came to queues that nobody handles here."""

    def __init__(self, resolve: Resolve, connection: EagerConnection) -> None:
        self.errors: list[Failed] = []
        self.unhandled: list[Delivery] = []
        self.resolve = resolve
        self.connection = connection
        self.pipeline = NotingPipeline()
        self.documents: dict[tuple[str, str], Document] = {}
        self.seen: set[str] = set()
        self.marks: set[tuple[str, str]] = set()

    @property
    def route(self) -> Route:
        """The way of an app's sends here."""

        async def memory() -> EagerBus:
            return self

        return Route(self, memory)

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

    # Running

    def run_job(self, job: Job) -> Settlement:
        """In a context of its own: the caller may be a handler too."""
        if job.handler.executor == "coroutine":
            return contextvars.copy_context().run(PORTAL.run, self.run_coroutine(job))
        return contextvars.copy_context().run(self.run_function, job)

    async def run_job_async(self, job: Job) -> Settlement:
        if job.handler.executor == "coroutine":
            return await asyncio.create_task(self.run_coroutine(job))
        return contextvars.copy_context().run(self.run_function, job)

    def run_function(self, job: Job) -> Settlement:
        return run_batch(self.pipeline, BatchJob([job]))[0][1] if job.handler.batch else self.pipeline.run(job)

    async def run_coroutine(self, job: Job) -> Settlement:
        if job.handler.batch:
            return (await run_batch_async(self.pipeline, BatchJob([job])))[0][1]
        return await self.pipeline.run_async(job)

    def course(self, first: Send) -> Course:
        """The runs that this message leads to: in each of its queues, its retries (at once), and those of what they send."""
        waiting = deque(self.arrivals(first))
        while waiting:
            for send in (yield from self.runs(waiting.popleft())):
                waiting.extend(self.arrivals(send))

    def runs(self, delivery: Delivery) -> Generator[Job, Settlement, Sequence[Send]]:
        """All runs of one delivery; what it leads to."""
        handler = self.resolve(delivery)
        if handler is None:
            self.unhandled.append(delivery)
            return ()
        if self.repeated(delivery, handler):
            return ()
        for _ in range(RUNS_MAX):
            job = Job(delivery, handler)
            settlement = yield job
            error = self.pipeline.raised.pop(id(job), None)
            if not isinstance(settlement.outcome, Release):
                return self.ended(job, settlement, error)
            counted = settlement.outcome.counted
            delivery = msgspec.structs.replace(delivery, attempt=delivery.attempt + counted)
        self.errors.append(Failed(handler.name, delivery.message, error or RuntimeError("it never ended")))
        return ()

    def repeated(self, delivery: Delivery, handler: Handler) -> bool:
        """Whether the inbox of its queue has it. A mark that cannot be read is found out by the run."""
        try:
            mark = handler.mark(delivery) if handler.special else None
        except MessageError:
            return False
        known = mark is not None and (delivery.source, mark) in self.marks
        if mark is not None:
            self.marks.add((delivery.source, mark))
        return known

    def ended(self, job: Job, settlement: Settlement, error: BaseException | None) -> Sequence[Send]:
        """What leaves with it: what it sent, or word of its death."""
        refused = next((no for send in settlement.sends if (no := self.refused(send)) is not None), None)
        if refused is not None:
            settlement = self.pipeline.failed(job, refusal(refused))
            error = self.pipeline.raised.pop(id(job))
        self.remember(settlement.writes)
        if isinstance(settlement.outcome, Reject):
            self.errors.append(
                Failed(job.handler.name, job.delivery.message, error or RuntimeError(settlement.outcome.reason))
            )
            return self.notices(job.delivery, settlement.outcome)
        return settlement.sends

    # Routing

    def admit(self, send: Send) -> Answer:
        message = send.message
        refused = self.refused(send)
        if refused is not None:
            return refused
        if message.dedupe and message.id in self.seen:
            return Receipt(message.id, duplicate_of=message.id)
        self.seen.add(message.id)
        return Receipt(message.id, routed=len(self.queues_of(send) or ()))

    def refused(self, send: Send) -> Refused | None:
        """Why the bus cannot take it."""
        queues = self.queues_of(send)
        if queues is None:
            what = f"exchange {send.to.exchange!r}" if send.to.exchange else f"queue {send.to.routing_key!r}"
            return Refused(
                send.message.id, "unroutable", f"there is no {what}: eager mode knows only what the app declares"
            )
        if send.mandatory and not queues:
            return Refused(
                send.message.id, "unroutable", f"nobody takes {send.to.routing_key!r} from {send.to.exchange!r}"
            )
        return None

    def queues_of(self, send: Send) -> Sequence[str] | None:
        """Where it goes, in the order of declaration; None when there is no such place."""
        exchange, key = send.to.exchange, send.to.routing_key
        routes = self.connection.routes()
        if exchange:
            found = routes.route(exchange, key, send.message.headers)
            return found and sorted(found, key=lambda name: self.connection.queues.get(name, 0))
        known = key in self.connection.queues or self.resolve(Delivery(send.message, key, (0, 0))) is not None
        return (key,) if known else None

    def arrivals(self, send: Send) -> list[Delivery]:
        """One delivery a queue."""
        return [Delivery(send.message, queue, (0, 0)) for queue in self.queues_of(send) or ()]

    def notices(self, delivery: Delivery, outcome: Reject) -> list[Send]:
        """Word of a dead letter to whoever handles those; never of one of theirs."""
        source = delivery.source
        if source.startswith(OWN_QUEUES) or not self.connection.routes().has_targets(DEAD_LETTERS, source):
            return []
        letter = letter_of(delivery, outcome, len(self.errors))
        message = Message(
            new_id(), msgspec.json.encode(letter), headers={NOTICE_HEADER: source}, queued_at=letter.died_at
        )
        return [Send(Address(source, DEAD_LETTERS), message)]

    # Memory

    def remember(self, writes: Sequence[Write]) -> None:
        for write in writes:
            if isinstance(write, Put):
                document = Document(write.kind, write.key, write.value, write.tag, write.expires_at)
                self.documents[write.kind, write.key] = document

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


def letter_of(delivery: Delivery, outcome: Reject, number: int) -> DeadLetterRecord:
    """As an engine would keep it."""
    last = outcome.attempt or Attempt("error", "", outcome.reason)
    return DeadLetterRecord(
        number,
        delivery.source,
        delivery.message,
        outcome.reason,
        last.error_type,
        fingerprint(delivery.source, last, outcome.reason),
        time.time(),
        delivery.attempt,
        delivery.crashes,
        "eager",
        (last,),
    )

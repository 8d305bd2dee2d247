"""``with app.testing() as t``: an engine in memory with a clock of its own; handlers run when the test says so."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec

from postroad.app.app import App
from postroad.app.connection import EngineConnection
from postroad.app.outbound import HookedOutbound
from postroad.core.delivery import Delivery
from postroad.core.durations import Duration, seconds
from postroad.core.message import Message, Send
from postroad.core.outcome import Settlement
from postroad.drivers.sqlite.driver import SqliteDriver
from postroad.engine.admission import Admission
from postroad.engine.handler import Job
from postroad.engine.pipeline import Pipeline
from postroad.engine.portal import PORTAL, refuse_on_loop
from postroad.engine.publisher import Publisher
from postroad.errors import SendRefused, WouldDeadlock
from postroad.ports.driver import Consumer, Subscription
from postroad.tasks.documents import TASK_HEADER
from postroad.tasks.route import Route

LIMIT = 100


class Sent(msgspec.Struct, frozen=True):
    """One message that the app sent. ``args`` and ``kwargs`` as JSON has them."""

    task: str
    args: list[Any]
    kwargs: dict[str, Any]
    queue: str
    message: Message


class Clock:
    """Wall-clock seconds, moved forward by the test."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead_s


class TestEngine(SqliteDriver):
    """In memory. Who waits on it would wait for ever, for handlers run only when the test says so."""

    __test__ = False

    async def changed(self, timeout_s: float) -> None:
        """Nothing will."""
        raise WouldDeadlock("Nobody runs handlers while the test waits: call t.drain(), or t.advance(...), before get().")


class Testing:
    """``sent``: everything that was sent, also by handlers. ``drain``: run what waits. ``advance``: time passes."""

    __test__ = False

    def __init__(self, app: App, clock: Clock, connection: EngineConnection) -> None:
        self.app = app
        self.clock = clock
        self.connection = connection
        self.sent: list[Sent] = []
        self.pipeline = Pipeline("testing")
        self.admission = Admission(app.resolve, self.pipeline, lambda: list(app.tasks), 0.0, None)

    def drain(self) -> int:
        """Run what is ready, and what that sends, until nothing is; answers how many runs. Errors stay with the results.

        Plain functions run in this thread, coroutines on the portal's loop.
        """
        refuse_on_loop("t.drain", "asyncio.to_thread(t.drain)")
        consumer = PORTAL.run(self.consumer())
        runs, settled = 0, list[Settlement]()
        while True:
            turn = PORTAL.run(consumer.turn(settled, LIMIT, 0.0))
            if turn.failures:
                raise SendRefused(f"{turn.failures[0].settlement.delivery.message.id}: {turn.failures[0].reason}")
            if not turn.deliveries:
                break
            self.pipeline.cancelled = frozenset(turn.cancelled)
            settled = [self.settlement(delivery) for delivery in turn.deliveries]
            runs += len(settled)
        PORTAL.run(consumer.close())
        return runs

    def advance(self, duration: Duration) -> int:
        """Let this much time pass on the engine's clock, then `drain`."""
        self.clock.ahead_s += seconds(duration)
        return self.drain()

    async def consumer(self) -> Consumer:
        driver = await self.connection.ensure()
        return await driver.consume(Subscription(self.app.queues(), "testing"), Quiet())

    def settlement(self, delivery: Delivery) -> Settlement:
        job = self.admission.admit(delivery, self.clock())
        if not isinstance(job, Job):
            return job
        if job.handler.executor == "coroutine":
            return PORTAL.run(self.pipeline.run_async(job))
        return self.pipeline.run(job)

    def note(self, send: Send) -> Send:
        """Write it down, and put its times on the engine's clock."""
        message = send.message
        args, kwargs = msgspec.json.decode(message.body)
        self.sent.append(Sent(message.headers.get(TASK_HEADER, ""), args, kwargs, send.to.routing_key, message))
        return Send(send.to, moved(message, self.clock.ahead_s))


class Quiet:
    """A listener with nothing to do."""

    def lost(self, held: Sequence[Delivery], why: str) -> None:
        """In memory, nobody else takes them."""

    def state(self, state: str) -> None:
        """Always connected."""


def moved(message: Message, by_s: float) -> Message:
    return msgspec.structs.replace(
        message,
        queued_at=message.queued_at + by_s,
        due_at=None if message.due_at is None else message.due_at + by_s,
        expires_at=None if message.expires_at is None else message.expires_at + by_s,
    )


@contextmanager
def testing(app: App) -> Iterator[Testing]:
    """Meanwhile the app's engine is one in memory."""
    clock = Clock()
    app.discover()
    connection = EngineConnection(lambda: "memory://", app.topology, lambda url: TestEngine(None, clock=clock))
    harness = Testing(app, clock, connection)
    outbound = HookedOutbound(Publisher(connection), [harness.note])
    try:
        with app.routed(Route(outbound, connection.memory), connection):
            yield harness
    finally:
        PORTAL.run(connection.close())

"""``with app.testing() as t``: an engine in memory with a clock of its own; handlers run when the test says so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Protocol, TypeVar, overload, runtime_checkable

from postroad.app.app import App
from postroad.app.connection import EngineConnection
from postroad.core import codec
from postroad.core.durations import Duration, seconds
from postroad.core.routing import matches
from postroad.engine.portal import PORTAL, refuse_on_loop
from postroad.errors import ConfigurationError
from postroad.events.facts import facts_of
from postroad.ports.driver import Consumer, DeadLetterFilter, DeadLetterRecord, Subscription
from postroad.tasks.route import Route
from postroad.tasks.task import Task
from postroad.testing.clock import Clock, GateClocks
from postroad.testing.engine import TestEngine, TestOutbound, TestPublisher
from postroad.testing.ledger import Ledger, Sent
from postroad.testing.listener import Quiet
from postroad.testing.loop import HandlerLoop
from postroad.testing.stepping import NotingPipeline, Stepper

__all__ = ["Sent", "Testing", "testing"]

E = TypeVar("E")
DEAD_MAX = 10_000


@runtime_checkable
class Named(Protocol):
    """A queue, as the app declares it."""

    @property
    def name(self) -> str: ...


class Testing:
    """``drain``: run what waits. ``advance``: time passes. ``sent``, ``dead_letters``, ``errors``: what came of it."""

    __test__ = False

    def __init__(self, app: App, clock: Clock, connection: EngineConnection, ledger: Ledger) -> None:
        self.app = app
        self.clock = clock
        self.connection = connection
        self.ledger = ledger
        self.pipeline = NotingPipeline("testing")
        self.loop = HandlerLoop()
        self.gates = GateClocks(clock)
        self.stepper: tuple[tuple[str, ...], Stepper] | None = None

    # Acting

    def drain(self) -> int:
        """Run what is ready, and what that sends, until nothing is; answers how many handlers ran. What they raise stays
        with their messages, and in ``errors``.

        Plain functions run in this thread, coroutines on a loop of their own.
        """
        refuse_on_loop("t.drain", "asyncio.to_thread(t.drain)")
        return self.ready_stepper().drain() if self.app.queues() else 0

    def advance(self, duration: Duration) -> int:
        """Drain, then let this much time pass, stopping whenever something becomes due to drain again, in order.

        Answers how many handlers ran.
        """
        runs, until = self.drain(), self.clock.at + seconds(duration)
        while (due := PORTAL.run(self.next_due())) is not None and due <= until:
            self.clock.at = max(self.clock.at, due)
            runs += self.drain()
        self.clock.at = until
        return runs + self.drain()

    # Looking

    @property
    def now(self) -> datetime:
        """What the engine's clock shows. It stands still, but for `advance`."""
        return datetime.fromtimestamp(self.clock.at, UTC)

    @property
    def sent(self) -> list[Sent]:
        """Everything that left, in order: also what handlers sent, unless they failed. Clear it to look at what follows."""
        return self.ledger.sent

    @property
    def errors(self) -> list[BaseException]:
        """Everything that handlers raised, in order: also what was tried again."""
        return self.pipeline.errors

    @property
    def dead_letters(self) -> list[DeadLetterRecord]:
        """All there are now, the oldest first."""
        return PORTAL.run(self.dead())[::-1]

    def sent_to(self, queue: str | Named) -> list[Sent]:
        """All that went to this queue, straight or through an exchange."""
        return self.ledger.to(queue if isinstance(queue, str) else queue.name)

    def calls(self, task: Task[..., Any, Any]) -> list[Sent]:
        """All calls of this task that were sent: ``.args``, ``.kwargs``, ``.delay_s``, ..."""
        return list(self.ledger.of("task", lambda name: name == task.name))

    @overload
    def published(self, event: type[E]) -> list[E]: ...
    @overload
    def published(self, event: str) -> list[Sent]: ...
    def published(self, event: Any) -> list[Any]:
        """The events of this class that were published; or, by a type or pattern ("order.*"), their messages."""
        if isinstance(event, str):
            return list(self.ledger.of("event", lambda name: matches(event, name)))
        facts = facts_of(event)
        if facts is None:
            raise ConfigurationError(
                f"t.published({event!r:.80}): give it an event's class, or a type or pattern as text."
            )
        decode = codec.decoder(event)
        return [decode(one.message.body) for one in self.ledger.of("event", lambda name: name == facts.type)]

    # Inside

    def ready_stepper(self) -> Stepper:
        """One consumer for all drains, so that temporary queues stay; another when more was declared."""
        queues = self.app.queues()
        if self.stepper is None or self.stepper[0] != queues:
            self.close()
            self.gates.take(handler for source in self.app.parts.sources.values() for handler in source.handlers)
            engine, consumer = PORTAL.run(self.consume(queues))
            resolve, known = self.app.resolve, self.app.handlers.known
            stepper = Stepper(engine, consumer, resolve, known, self.pipeline, self.loop, self.clock, self.ledger)
            self.stepper = queues, stepper
        PORTAL.run(self.connection.ensure())
        return self.stepper[1]

    async def consume(self, queues: tuple[str, ...]) -> tuple[TestEngine, Consumer]:
        engine = await self.engine()
        return engine, await engine.consume(Subscription(queues, "testing"), Quiet())

    async def engine(self) -> TestEngine:
        engine = await self.connection.ensure()
        assert isinstance(engine, TestEngine)
        return engine

    async def next_due(self) -> float | None:
        return await (await self.engine()).next_due()

    async def dead(self) -> list[DeadLetterRecord]:
        return list(await (await self.engine()).dead_letters(DeadLetterFilter(), DEAD_MAX))

    def close(self) -> None:
        if self.stepper is not None:
            PORTAL.run(self.stepper[1].consumer.close())
            self.stepper = None


@contextmanager
def testing(app: App) -> Iterator[Testing]:
    """Meanwhile the app's engine is one in memory."""
    app.discover()
    clock, ledger = Clock(), Ledger(lambda: app.topology(worker=True))
    connection = EngineConnection(
        lambda: "memory://", lambda: app.topology(worker=True), lambda url: TestEngine(None, clock=clock)
    )
    harness = Testing(app, clock, connection, ledger)
    outbound = TestOutbound(TestPublisher(connection), clock, ledger)
    try:
        with app.routed(Route(outbound, connection.memory), connection):
            yield harness
    finally:
        harness.close()
        harness.gates.give_back()
        harness.loop.close()
        PORTAL.run(connection.close())

"""The engine of a test: the embedded one, in memory, on the test's clock. Nobody ever waits on it."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future

from postroad.core.message import Receipt, Refused, Send
from postroad.drivers.sqlite.driver import SqliteDriver
from postroad.drivers.sqlite.session import Session
from postroad.engine.backpressure import Answers, Patience
from postroad.engine.context import CURRENT
from postroad.engine.publisher import Publisher
from postroad.errors import WouldDeadlock
from postroad.testing.clock import Clock
from postroad.testing.ledger import Ledger

NEXT_DUE = "SELECT min(due_at) FROM due"


class TestEngine(SqliteDriver):
    """Who waits on it would wait for ever, for handlers run only when the test says so."""

    __test__ = False

    async def changed(self, timeout_s: float) -> None:
        """Nothing will."""
        raise WouldDeadlock(
            "Nobody runs handlers while the test waits: call t.drain(), or t.advance(...), before get()."
        )

    async def next_due(self) -> float | None:
        """When the next delayed message may be handled, in seconds of the clock."""
        return await self.read(next_due)


def next_due(session: Session) -> float | None:
    found = session.value(NEXT_DUE)
    return None if found is None else float(found)


class TestPublisher(Publisher):
    """Nobody makes room in a full queue while the test waits for it: it is refused at once."""

    __test__ = False
    __slots__ = ()

    def insist(
        self, sends: list[Send], answers: Answers, timeout_s: float | None = None, durability: str | None = None
    ) -> Answers:
        """As full."""
        return Patience(0.0).exhausted(answers)

    async def ainsist(
        self, sends: list[Send], answers: Answers, timeout_s: float | None = None, durability: str | None = None
    ) -> Answers:
        """As full."""
        return Patience(0.0).exhausted(answers)


class TestOutbound:
    """Puts what is sent on the test's clock, and notes what left."""

    __test__ = False

    def __init__(self, publisher: Publisher, clock: Clock, ledger: Ledger) -> None:
        self.publisher = publisher
        self.clock = clock
        self.ledger = ledger

    def send(
        self,
        sends: list[Send],
        verb: str,
        line: str,
        now: bool = False,
        timeout_s: float | None = None,
        durability: str | None = None,
    ) -> Sequence[Receipt]:
        """As Outbound.send."""
        moved = [self.clock.moved(send) for send in sends]
        return self.left(moved, now, self.publisher.send(moved, verb, line, now, timeout_s, durability))

    async def asend(
        self, sends: list[Send], now: bool = False, timeout_s: float | None = None, durability: str | None = None
    ) -> Sequence[Receipt]:
        """As Outbound.asend."""
        moved = [self.clock.moved(send) for send in sends]
        return self.left(moved, now, await self.publisher.asend(moved, now, timeout_s, durability))

    def submit(self, sends: list[Send]) -> Future[Sequence[Receipt | Refused]]:
        """As Outbound.submit."""
        moved = [self.clock.moved(send) for send in sends]
        future = self.publisher.submit(moved)
        self.ledger.note(moved)
        return future

    def left(self, sends: list[Send], now: bool, receipts: Sequence[Receipt]) -> Sequence[Receipt]:
        """What a handler's buffer keeps leaves later, if at all."""
        context = CURRENT.get()
        if context is None or now or context.send_now:
            self.ledger.note(sends)
        return receipts

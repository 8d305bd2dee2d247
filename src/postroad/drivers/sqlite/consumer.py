"""One subscription's hold on the engine."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from postroad.core.delivery import Begun, Delivery
from postroad.core.outcome import Settlement, SettlementFailure
from postroad.drivers.sqlite import claim, program, recovery
from postroad.drivers.sqlite.session import CHANGE, WORK, Session, as_json
from postroad.drivers.sqlite.settle import settle_all
from postroad.drivers.sqlite.vigil import Vigil
from postroad.drivers.sqlite.writer import Operation
from postroad.ports.driver import Turn

if TYPE_CHECKING:
    from postroad.drivers.sqlite.driver import SqliteDriver

SEQS = msgspec.json.Decoder(set[int])


class TurnOperation(Operation["TurnAnswer"]):
    """Settle and claim in one transaction; read what was claimed after it."""

    def __init__(
        self, settled: Sequence[Settlement], queues: Sequence[str], limit: int, token: int, holder: int, alone: bool
    ) -> None:
        super().__init__()
        self.settled = settled
        self.queues = queues
        self.limit = limit
        self.token = token
        self.holder = holder
        self.alone = alone
        self.durable = bool(settled)
        self.failures: Sequence[SettlementFailure] = ()
        self.due = False

    def wanted(self, session: Session) -> bool:
        """Whether the lock is needed at all."""
        return bool(self.settled) or (self.limit > 0 and self.something(session))

    def something(self, session: Session) -> bool:
        waiting = claim.look(session, self.numbers(session))
        self.due = waiting.next_due is not None and waiting.next_due <= session.clock()
        return self.due or (waiting.suspects if self.alone else waiting.ready)

    def numbers(self, session: Session) -> list[int]:
        return [session.queue_number(name) for name in self.queues]

    def program(self, session: Session) -> program.Program | None:
        if self.alone or self.careful or self.due or session.is_due() or not program.is_ordinary(self.settled):
            return None
        if any(settlement.delivery.message.track for settlement in self.settled):
            session.bells |= CHANGE
        return program.program(self.settled, self.numbers(session), self.limit, self.token, self.holder)

    def apply(self, session: Session) -> None:
        self.failures = settle_all(session, self.settled, self.careful) if self.settled else ()
        if self.limit > 0:
            claim.promote_due(session, session.clock())
            self.claim(session)

    def claim(self, session: Session) -> int:
        if self.alone:
            return claim.claim_suspect(session, self.numbers(session), self.token, self.holder)
        return claim.claim(session, self.numbers(session), self.limit, self.token, self.holder)

    def after(self, session: Session) -> TurnAnswer:
        deliveries, waiting = claim.fetch_and_look(session, self.numbers(session), self.token, self.alone)
        session.next_due = waiting.next_due
        cancelled = claim.cancelled(session) if waiting.cancels else frozenset()
        turn = Turn(deliveries, tuple(self.failures), waiting.suspects, cancelled)
        return TurnAnswer(turn, waiting.next_due, session.clock())


class TurnAnswer(msgspec.Struct, frozen=True):
    turn: Turn
    next_due: float | None
    now: float


class SqliteConsumer:
    """Takes from its queues in rotation, so that none starves another."""

    def __init__(self, driver: SqliteDriver, queues: Sequence[str], holder: int, tokens: Iterator[int]) -> None:
        self.driver = driver
        self.queues = tuple(queues)
        self.holder = holder
        self.tokens = tokens
        self.turns = 0
        self.interrupted = False
        self.vigil: Vigil[TurnAnswer] | None = None

    async def turn(self, settled: Sequence[Settlement], limit: int, timeout_s: float, *, alone: bool = False) -> Turn:
        answer = await self.once(settled, limit, alone)
        if settled or timeout_s <= 0 or limit <= 0 or not is_empty(answer.turn, alone) or self.interrupted:
            self.interrupted = False
            return answer.turn
        return await self.wait(limit, timeout_s, alone)

    def operation(self, settled: Sequence[Settlement], limit: int, alone: bool) -> TurnOperation:
        self.turns += 1
        start = self.turns % len(self.queues)
        rotated = self.queues[start:] + self.queues[:start]
        return TurnOperation(settled, rotated, limit, next(self.tokens), self.holder, alone)

    def ask(self, limit: int, alone: bool) -> Future[TurnAnswer]:
        """Take, now if possible. From any thread, but never two at a time."""
        return self.driver.writer.offer(self.operation((), limit, alone))

    async def once(self, settled: Sequence[Settlement], limit: int, alone: bool) -> TurnAnswer:
        return await asyncio.wrap_future(self.driver.writer.submit(self.operation(settled, limit, alone)))

    async def wait(self, limit: int, timeout_s: float, alone: bool) -> Turn:
        """Listen first, then look again: what is committed between is not missed."""
        vigil = Vigil(partial(self.ask, limit, alone))
        self.vigil = vigil
        self.driver.site.bell.wait(vigil.wake, WORK)
        try:
            return await self.look_until(vigil, limit, vigil.loop.time() + timeout_s, alone)
        finally:
            self.driver.site.bell.leave(vigil.wake)
            self.vigil = None
            self.interrupted = False

    async def look_until(self, vigil: Vigil[TurnAnswer], limit: int, deadline: float, alone: bool) -> Turn:
        answer = await self.once((), limit, alone)
        while True:
            left = deadline - vigil.loop.time()
            if not is_empty(answer.turn, alone) or self.interrupted or left <= 0:
                return answer.turn
            due_in = left if answer.next_due is None else max(0.0, answer.next_due - answer.now)
            early = await vigil.rest(min(left, due_in))
            answer = await (self.once((), limit, alone) if early is None else asyncio.wrap_future(early))

    def interrupt(self) -> None:
        self.interrupted = True
        vigil = self.vigil
        if vigil is not None:
            vigil.stir()

    async def begin(self, held: Sequence[Delivery]) -> Sequence[Begun]:
        """Only suspects ask: their start is charged before they run."""
        text = as_json({str(delivery.receipt[1]): delivery.receipt[0] for delivery in held})
        present: set[int] = SEQS.decode(await self.driver.call(lambda session: recovery.begin_alone(session, text)))
        return [Begun(delivery, "run" if delivery.receipt[1] in present else "lost") for delivery in held]

    async def extend(self, held: Sequence[Delivery]) -> Sequence[Delivery]:
        """Leases here end with the holder's process, not with time; what was taken away is told all the same."""
        text = as_json({str(delivery.receipt[1]): delivery.receipt[0] for delivery in held})
        present: set[int] = SEQS.decode(
            await self.driver.read(lambda session: str(session.value(recovery.BEGUN, (text,))))
        )
        return [delivery for delivery in held if delivery.receipt[1] not in present]

    async def close(self) -> None:
        await self.driver.call(lambda session: recovery.give_back_uncounted(session, self.holder))


def is_empty(turn: Turn, alone: bool) -> bool:
    return not turn.deliveries and not (turn.suspects_waiting and not alone)

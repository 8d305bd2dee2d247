"""One subscription's hold on the engine."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from postroad.core.delivery import Begun, Delivery
from postroad.core.outcome import Settlement, SettlementFailure
from postroad.drivers.sqlite import begin, claim, program
from postroad.drivers.sqlite.session import CHANGE, WORK, Session
from postroad.drivers.sqlite.settle import settle_all
from postroad.drivers.sqlite.vigil import Vigil
from postroad.drivers.sqlite.writer import Operation
from postroad.ports.driver import Turn

if TYPE_CHECKING:
    from postroad.drivers.sqlite.driver import SqliteDriver


class Wish(msgspec.Struct, frozen=True):
    """What a turn is to take. ``limits``: for queues of which fewer may be taken, how many."""

    limit: int
    alone: bool = False
    limits: Mapping[str, int] | None = None


class TurnOperation(Operation["TurnAnswer"]):
    """Settle and claim in one transaction; read what was claimed after it."""

    def __init__(
        self, settled: Sequence[Settlement], queues: Sequence[str], wish: Wish, token: int, holder: int
    ) -> None:
        super().__init__()
        self.settled = settled
        self.queues = queues
        self.wish = wish
        self.token = token
        self.holder = holder
        self.durable = bool(settled)
        self.failures: Sequence[SettlementFailure] = ()
        self.due = False

    def wanted(self, session: Session) -> bool:
        """Whether the lock is needed at all."""
        return bool(self.settled) or (self.wish.limit > 0 and self.something(session))

    def something(self, session: Session) -> bool:
        waiting = claim.look(session, self.open_numbers(session))
        self.due = waiting.next_due is not None and waiting.next_due <= session.clock()
        return self.due or (waiting.suspects if self.wish.alone else waiting.ready)

    def numbers(self, session: Session) -> list[int]:
        return [session.queue_number(name) for name in self.queues]

    def open_numbers(self, session: Session) -> list[int]:
        """Of the queues of which something may be taken now."""
        limits = self.wish.limits
        return [session.queue_number(name) for name in self.queues if not limits or limits.get(name, 1) > 0]

    def most(self, session: Session) -> dict[int, int]:
        limits = self.wish.limits
        return {session.queue_number(name): limits[name] for name in self.queues if name in limits} if limits else {}

    def program(self, session: Session) -> program.Program | None:
        if self.wish.alone or self.careful or self.due or session.is_due() or not program.is_ordinary(self.settled):
            return None
        if any(settlement.delivery.message.track for settlement in self.settled):
            session.bells |= CHANGE
        return program.program(
            self.settled, self.numbers(session), self.wish.limit, self.token, self.holder, self.most(session)
        )

    def look(self, session: Session) -> None:
        if any(send.to.exchange for settlement in self.settled for send in settlement.sends):
            session.freshen()
            session.routing()

    def apply(self, session: Session) -> None:
        self.failures = settle_all(session, self.settled, self.careful) if self.settled else ()
        if self.wish.limit > 0:
            claim.promote_due(session, session.clock())
            self.claim(session)

    def claim(self, session: Session) -> int:
        numbers = self.open_numbers(session)
        if self.wish.alone:
            return claim.claim_suspect(session, numbers, self.token, self.holder)
        return claim.claim(session, numbers, self.wish.limit, self.token, self.holder, self.most(session))

    def after(self, session: Session) -> TurnAnswer:
        deliveries, waiting = claim.fetch_and_look(session, self.open_numbers(session), self.token, self.wish.alone)
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

    async def turn(
        self,
        settled: Sequence[Settlement],
        limit: int,
        timeout_s: float,
        *,
        alone: bool = False,
        limits: Mapping[str, int] | None = None,
    ) -> Turn:
        wish = Wish(limit, alone, limits)
        answer = await self.once(settled, wish)
        if settled or timeout_s <= 0 or limit <= 0 or not is_empty(answer.turn, alone) or self.interrupted:
            self.interrupted = False
            return answer.turn
        return await self.wait(wish, timeout_s)

    def operation(self, settled: Sequence[Settlement], wish: Wish) -> TurnOperation:
        self.turns += 1
        start = self.turns % max(len(self.queues), 1)
        rotated = self.queues[start:] + self.queues[:start]
        return TurnOperation(settled, rotated, wish, next(self.tokens), self.holder)

    def ask(self, wish: Wish) -> Future[TurnAnswer]:
        """Take, now if possible. From any thread, but never two at a time."""
        return self.driver.writer.offer(self.operation((), wish))

    async def once(self, settled: Sequence[Settlement], wish: Wish) -> TurnAnswer:
        return await asyncio.wrap_future(self.driver.writer.submit(self.operation(settled, wish)))

    async def wait(self, wish: Wish, timeout_s: float) -> Turn:
        """Listen first, then look again: what is committed between is not missed."""
        vigil = Vigil(partial(self.ask, wish))
        self.vigil = vigil
        self.driver.site.bell.wait(vigil.wake, WORK)
        try:
            return await self.look_until(vigil, wish, vigil.loop.time() + timeout_s)
        finally:
            self.driver.site.bell.leave(vigil.wake)
            self.vigil = None
            self.interrupted = False

    async def look_until(self, vigil: Vigil[TurnAnswer], wish: Wish, deadline: float) -> Turn:
        answer = await self.once((), wish)
        while True:
            left = deadline - vigil.loop.time()
            if not is_empty(answer.turn, wish.alone) or self.interrupted or left <= 0:
                return answer.turn
            due_in = left if answer.next_due is None else max(0.0, answer.next_due - answer.now)
            early = await vigil.rest(min(left, due_in))
            answer = await (self.once((), wish) if early is None else asyncio.wrap_future(early))

    def interrupt(self) -> None:
        self.interrupted = True
        vigil = self.vigil
        if vigil is not None:
            vigil.stir()

    async def begin(self, held: Sequence[Delivery], marks: Sequence[str | None] = ()) -> Sequence[Begun]:
        """Suspects' starts are charged before they run; whose mark the inbox has is not to run at all."""
        judge = partial(begin.judge, held=held, marks=marks)
        asked = self.driver.call if any(delivery.suspect for delivery in held) else self.driver.read
        return await asked(judge)

    async def extend(self, held: Sequence[Delivery]) -> Sequence[Delivery]:
        """Leases here end with the holder's process, not with time; what was taken away is told all the same."""
        present = await self.driver.read(lambda session: begin.still_held(session, held))
        return [delivery for delivery in held if delivery.receipt not in present]

    async def close(self) -> None:
        await self.driver.leave(self.holder, self.queues)


def is_empty(turn: Turn, alone: bool) -> bool:
    return not turn.deliveries and not (turn.suspects_waiting and not alone)

"""One queue from which messages are pulled: who waits, and what is to be settled.

Duties: 1. never two turns at once. 2. Who waits is told nothing came only after a whole turn that began after it asked.
3. What nobody waits for any more goes back, uncounted. 4. A suspect is held alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

from postroad.core.delivery import Delivery
from postroad.core.outcome import Release, Settlement, SettlementFailure
from postroad.engine.handler import Job
from postroad.engine.starts import Starts
from postroad.errors import Closed
from postroad.ports.driver import Consumer, Seat

LOOK_S = 1.0
"""Longest wait for a turn, after which the dead are looked for again."""

REST_S = 0.1

Answer = asyncio.Future[SettlementFailure | None]


class Hands(Protocol):
    """What the process holds, of all its queues (engine.puller.Puller)."""

    @property
    def suspect_held(self) -> bool: ...
    @property
    def empty_handed(self) -> bool: ...
    async def sweep(self) -> None: ...
    def holds(self, delivery: Delivery) -> None: ...
    def gave(self, delivery: Delivery) -> None: ...


class Taker:
    """Somebody who waits for a message, up to ``deadline`` on the loop's clock."""

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self.job: asyncio.Future[Job | None] = asyncio.get_running_loop().create_future()


class Tap:
    """On the portal's loop. ``admit``: a job, or how a delivery ends that nobody should get (expired, convicted)."""

    def __init__(
        self,
        hands: Hands,
        consumer: Consumer,
        admit: Callable[[Delivery], Job | Settlement],
        seat: Seat | None,
        starts: Starts,
    ) -> None:
        self.hands = hands
        self.consumer = consumer
        self.admit = admit
        self.seat = seat
        self.starts = starts
        self.loop = asyncio.get_running_loop()
        self.takers: deque[Taker] = deque()
        self.settling: deque[tuple[Settlement, Answer | None]] = deque()
        self.something = asyncio.Event()
        self.in_turn = False
        self.suspects_waiting = False
        self.task: asyncio.Task[None] | None = None

    async def take(self, timeout_s: float | None) -> Job | None:
        """Wait for one; None when the time is over."""
        taker = Taker(float("inf") if timeout_s is None else self.loop.time() + timeout_s)
        self.takers.append(taker)
        self.go()
        try:
            return await asyncio.shield(taker.job)
        except asyncio.CancelledError:
            self.give_up(taker)
            raise

    def give_up(self, taker: Taker) -> None:
        """Whoever waited was interrupted, perhaps with a message on its way to it."""
        with contextlib.suppress(ValueError):
            self.takers.remove(taker)
        if not taker.job.done():
            taker.job.cancel()
            self.stir()
        elif not taker.job.cancelled() and taker.job.exception() is None and (job := taker.job.result()) is not None:
            self.gave(job.delivery)
            self.send_back(job.delivery)
            self.go()

    async def settle(self, settlement: Settlement) -> SettlementFailure | None:
        """In the next turn."""
        answer: Answer = self.loop.create_future()
        self.settling.append((settlement, answer))
        self.go()
        failure = await asyncio.shield(answer)
        self.gave(settlement.delivery)
        return failure

    def gave(self, delivery: Delivery) -> None:
        self.starts.leave(delivery.receipt)
        self.hands.gave(delivery)

    @property
    def room(self) -> int:
        """How many more may be held: none beside a suspect."""
        return 0 if self.hands.suspect_held else len(self.starts.free)

    def send_back(self, delivery: Delivery) -> None:
        """Uncounted, to the place it had."""
        self.settling.append((Settlement(delivery, Release()), None))

    def go(self) -> None:
        """Turn, if it does not yet."""
        self.stir()
        if self.task is None or self.task.done():
            self.task = self.loop.create_task(self.run(), name="postroad-tap")

    def stir(self) -> None:
        """Something has changed: let a waiting turn return."""
        self.something.set()
        if self.in_turn:
            self.consumer.interrupt()

    async def run(self) -> None:
        while self.takers or self.settling:
            self.something.clear()
            await self.hands.sweep()
            settled = [self.settling.popleft() for _ in range(len(self.settling))]
            try:
                await self.step(settled)
            except Exception as error:
                self.fail(settled, error)

    async def step(self, settled: list[tuple[Settlement, Answer | None]]) -> None:
        """One round trip, or a rest when there is nothing to do in one."""
        asked = list(self.takers)
        alone = self.suspects_waiting and bool(asked) and self.hands.empty_handed and not settled
        limit = 1 if alone else min(len(asked), self.room)
        if not settled and not limit:
            await self.rest(self.patience_s())
        else:
            await self.turn(settled, limit, alone)
        self.dismiss(asked)

    async def turn(self, settled: list[tuple[Settlement, Answer | None]], limit: int, alone: bool) -> None:
        timeout_s = 0.0 if settled or alone or self.something.is_set() else self.patience_s()
        self.in_turn = timeout_s > 0
        try:
            turn = await self.consumer.turn([one for one, _answer in settled], limit, timeout_s, alone=alone)
        finally:
            self.in_turn = False
        self.suspects_waiting = turn.suspects_waiting and not (alone and not turn.deliveries)
        failures = {failure.settlement.delivery.receipt: failure for failure in turn.failures}
        for settlement, answer in settled:
            if answer is not None and not answer.done():
                answer.set_result(failures.get(settlement.delivery.receipt))
        for delivery in turn.deliveries:
            await self.hand_out(delivery)
        if self.suspects_waiting and not turn.deliveries and not self.hands.empty_handed:
            await self.rest(REST_S)

    async def hand_out(self, delivery: Delivery) -> None:
        """To the first who waits."""
        admitted = self.admit(delivery)
        if isinstance(admitted, Settlement):
            self.settling.append((admitted, None))
            return
        if delivery.needs_begin and (await self.consumer.begin([delivery]))[0].verdict != "run":
            return
        taker = self.next_taker()
        if taker is None:
            self.send_back(delivery)
            return
        admitted.started_at = time.time()
        self.starts.enter(delivery.receipt)
        self.hands.holds(delivery)
        taker.job.set_result(admitted)

    def next_taker(self) -> Taker | None:
        while self.takers:
            taker = self.takers.popleft()
            if not taker.job.done():
                return taker
        return None

    def dismiss(self, asked: list[Taker]) -> None:
        """Those whose time is over, who were there before the turn."""
        now = self.loop.time()
        for taker in asked:
            if taker.deadline <= now and not taker.job.done():
                self.takers.remove(taker)
                taker.job.set_result(None)

    def patience_s(self) -> float:
        """How long a turn may wait."""
        first = min((taker.deadline for taker in self.takers), default=float("inf"))
        return max(0.0, min(LOOK_S, first - self.loop.time()))

    async def rest(self, timeout_s: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self.something.wait()

    def fail(self, settled: list[tuple[Settlement, Answer | None]], error: Exception) -> None:
        """Whoever waits is told; what was to be settled is still held."""
        for _settlement, answer in settled:
            if answer is not None and not answer.done():
                answer.set_exception(error)
        while (taker := self.next_taker()) is not None:
            taker.job.set_exception(error)

    async def close(self) -> None:
        """Whoever still waits is told."""
        if self.task is not None:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)
        settled = list(self.settling)
        self.settling.clear()
        self.fail(settled, Closed("This app was closed while a message was waited for, or settled."))
        self.starts.close()

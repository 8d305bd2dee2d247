"""Taking messages by hand: a process that pulls has a seat, as a worker's child has, so that what it holds comes back at
once when it dies, charged to the message it held.

One `Puller` a driver, with a `Tap` for each queue; all of it runs on the portal's loop. A tap turns only while somebody
waits for a message or settles one. Duties: 1. never two turns of a consumer at once. 2. What nobody waits for any more
goes back, uncounted. 3. A suspect is held alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections import deque
from collections.abc import Sequence

from postroad.core.delivery import Delivery
from postroad.core.outcome import Release, Settlement, SettlementFailure
from postroad.core.slots import SLOT, SLOT_BYTES
from postroad.errors import Closed, EngineError
from postroad.ports.driver import Consumer, Driver, Seat, Subscription, Supervisable, Turn

HELD_MAX = 256
SWEEP_S = 1.0
SETTLED_EARLY = Settlement


class Starts:
    """The writing side of a seat's start slots: which messages are held right now. On the portal's loop."""

    def __init__(self, seat: Seat | None) -> None:
        self.free = list(range(HELD_MAX))[::-1]
        self.taken: dict[tuple[int, int], int] = {}
        self.beat = 0
        path = seat.slots_path if seat is not None else ""
        self.fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW) if path else -1

    def enter(self, receipt: tuple[int, int]) -> None:
        """This one is in the user's hands from now on."""
        self.taken[receipt] = slot = self.free.pop()
        self.write(slot, receipt)

    def leave(self, receipt: tuple[int, int]) -> None:
        """It is no longer."""
        slot = self.taken.pop(receipt, None)
        if slot is not None:
            self.write(slot, (0, 0))
            self.free.append(slot)

    def write(self, slot: int, receipt: tuple[int, int]) -> None:
        self.beat += 1
        if self.fd >= 0:
            os.pwrite(self.fd, SLOT.pack(*receipt, self.beat), slot * SLOT_BYTES)

    def close(self) -> None:
        """Nobody is to blame for what is given back."""
        for receipt in list(self.taken):
            self.leave(receipt)
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


class Puller:
    """Of one open driver. On the portal's loop."""

    def __init__(self, driver: Driver, worker: str) -> None:
        self.driver = driver
        self.worker = worker
        self.keeper = driver if isinstance(driver, Supervisable) else None
        self.seat = self.keeper.reserve(HELD_MAX) if self.keeper is not None else None
        self.starts = Starts(self.seat)
        self.taps: dict[str, Tap] = {}
        self.alone = False
        self.swept_at = float("-inf")
        self.closed = False

    async def tap(self, queue: str) -> Tap:
        """The one of this queue. Raises NotFound, QueueExclusive."""
        tap = self.taps.get(queue)
        if tap is None:
            await self.sweep()
            consumer = await self.driver.consume(Subscription((queue,), self.worker, self.seat), self)
            tap = self.taps.setdefault(queue, Tap(self, consumer))
        return tap

    async def take(self, queue: str, timeout_s: float | None) -> Delivery | None:
        """The next message; None when there is none in time. It is held, and charged if this process dies, until `settle`."""
        tap = await self.tap(queue)
        return await tap.take(timeout_s)

    async def settle(self, queue: str, settlement: Settlement) -> SettlementFailure | None:
        """Durable when it returns, or why not."""
        return await self.taps[queue].settle(settlement)

    async def sweep(self) -> None:
        """Messages of dead processes come back, also where no worker runs."""
        now = asyncio.get_running_loop().time()
        if self.keeper is None or now - self.swept_at < SWEEP_S:
            return
        self.swept_at = now
        with contextlib.suppress(EngineError):
            await self.keeper.sweep()

    @property
    def room(self) -> int:
        """How many more may be held."""
        return 0 if self.alone else len(self.starts.free)

    def held(self, delivery: Delivery) -> None:
        """It is handed out."""
        self.starts.enter(delivery.receipt)
        self.alone = self.alone or delivery.suspect

    def given(self, delivery: Delivery) -> None:
        """It is settled: others may be taken again."""
        self.starts.leave(delivery.receipt)
        if self.alone or len(self.starts.free) == 1:
            self.alone = False
        for tap in self.taps.values():
            tap.stir()

    def lost(self, held: Sequence[Delivery], why: str) -> None:
        """Their settlements will say so."""

    def state(self, state: str) -> None:
        """Nothing to do."""

    async def close(self) -> None:
        """Give back what is held, uncounted, and leave the seat. Once more does nothing."""
        if self.closed:
            return
        self.closed = True
        for tap in self.taps.values():
            await tap.close()
        self.starts.close()
        with contextlib.suppress(EngineError):
            for tap in self.taps.values():
                await tap.consumer.close()
            if self.keeper is not None and self.seat is not None:
                await self.keeper.vacate(self.seat)


Taker = asyncio.Future[Delivery | None]
Answer = asyncio.Future[SettlementFailure | None]


class Tap:
    """One queue: who waits for its messages, and what of it is to be settled."""

    def __init__(self, puller: Puller, consumer: Consumer) -> None:
        self.puller = puller
        self.consumer = consumer
        self.takers: deque[Taker] = deque()
        self.settling: deque[tuple[Settlement, Answer | None]] = deque()
        self.something = asyncio.Event()
        self.in_turn = False
        self.suspects_waiting = False
        self.task: asyncio.Task[None] | None = None

    async def take(self, timeout_s: float | None) -> Delivery | None:
        """Wait for one. Whoever gives up while it comes has it sent back."""
        taker: Taker = asyncio.get_running_loop().create_future()
        self.takers.append(taker)
        self.go()
        try:
            if timeout_s == 0:
                return await self.look_once(taker)
            async with asyncio.timeout(timeout_s):
                return await asyncio.shield(taker)
        except TimeoutError:
            return taker.result() if taker.done() and not taker.cancelled() else None
        finally:
            self.leave(taker)

    async def look_once(self, taker: Taker) -> Delivery | None:
        """One whole turn that began after the call."""
        return await taker

    def leave(self, taker: Taker) -> None:
        if not taker.done():
            taker.cancel()
            with contextlib.suppress(ValueError):
                self.takers.remove(taker)
            self.stir()

    async def settle(self, settlement: Settlement) -> SettlementFailure | None:
        """In the next turn."""
        answer: Answer = asyncio.get_running_loop().create_future()
        self.settling.append((settlement, answer))
        self.go()
        return await asyncio.shield(answer)

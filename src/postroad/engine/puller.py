"""Taking messages by hand: a process that pulls has a seat, as a worker's child has, so that what it holds comes back at
once when it dies, charged to the messages it held.

One `Puller` a driver, with a `Tap` for each queue; all of it on the portal's loop. A tap turns only while somebody waits
for a message, or settles one.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Sequence

from postroad.core.delivery import Delivery
from postroad.core.outcome import Settlement, SettlementFailure
from postroad.core.slots import SLOT, SLOT_BYTES
from postroad.engine.handler import Job
from postroad.engine.tap import Tap
from postroad.errors import DeliveryLost, EngineError
from postroad.ports.driver import Driver, Seat, Subscription, Supervisable

HELD_MAX = 256
SWEEP_S = 1.0

Admit = Callable[[Delivery], Job | Settlement]


class Starts:
    """The writing side of a seat's start slots: which messages are in users' hands."""

    def __init__(self, seat: Seat | None) -> None:
        self.free = list(range(HELD_MAX))[::-1]
        self.taken: dict[tuple[int, int], int] = {}
        self.beat = 0
        path = seat.slots_path if seat is not None else ""
        self.fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW) if path else -1

    def enter(self, receipt: tuple[int, int]) -> None:
        """Whoever dies from now on held this one."""
        self.taken[receipt] = slot = self.free.pop()
        self.write(slot, receipt)

    def leave(self, receipt: tuple[int, int]) -> None:
        """It is settled."""
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
        self.abandon()

    def abandon(self) -> None:
        """In a forked child, which holds nothing: the slots are its parent's."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


class Puller:
    """Of one open driver, which may be a worker's own."""

    def __init__(self, driver: Driver) -> None:
        self.driver = driver
        self.worker = f"{os.uname().nodename}:{os.getpid()}"
        self.keeper = driver if isinstance(driver, Supervisable) else None
        self.seat = self.keeper.reserve(HELD_MAX) if self.keeper is not None else None
        self.starts = Starts(self.seat)
        self.taps: dict[str, Tap] = {}
        self.lock = asyncio.Lock()
        self.suspect_held = False
        self.swept_at = float("-inf")
        self.closed = False

    async def take(self, queue: str, timeout_s: float | None, admit: Admit) -> Job | None:
        """The next message that ``admit`` makes a job of; None when there is none in time. Raises NotFound, QueueExclusive.

        It is held, and charged if this process dies, until it is settled.
        """
        tap = await self.tap(queue, admit)
        return await tap.take(timeout_s)

    async def tap(self, queue: str, admit: Admit) -> Tap:
        async with self.lock:
            if queue not in self.taps:
                await self.sweep()
                consumer = await self.driver.consume(Subscription((queue,), self.worker, self.seat), self)
                self.taps[queue] = Tap(self, consumer, admit)
            return self.taps[queue]

    async def settle(self, settlement: Settlement) -> SettlementFailure | None:
        """Durable when it returns, or why it was refused. Raises DeliveryLost when the app was closed meanwhile."""
        delivery = settlement.delivery
        if self.closed:
            raise DeliveryLost(f"Message {delivery.message.id} went back to its queue when this app was closed, or its process forked.")
        return await self.taps[delivery.source].settle(settlement)

    async def sweep(self) -> None:
        """What dead processes held comes back, also where no worker runs."""
        now = asyncio.get_running_loop().time()
        if self.keeper is None or now - self.swept_at < SWEEP_S:
            return
        self.swept_at = now
        with contextlib.suppress(EngineError):
            await self.keeper.sweep()

    @property
    def room(self) -> int:
        """How many more may be held: none beside a suspect."""
        return 0 if self.suspect_held else len(self.starts.free)

    @property
    def empty_handed(self) -> bool:
        return not self.starts.taken

    def holds(self, delivery: Delivery) -> None:
        """It goes to a user."""
        self.starts.enter(delivery.receipt)
        self.suspect_held = self.suspect_held or delivery.suspect

    def gave(self, delivery: Delivery) -> None:
        """It is settled: others may be taken again."""
        self.starts.leave(delivery.receipt)
        self.suspect_held = self.suspect_held and not self.empty_handed
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

    def after_fork(self) -> None:
        """Everything here is the parent's."""
        self.closed = True
        self.starts.abandon()

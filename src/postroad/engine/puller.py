"""Taking messages by hand: a process that pulls has seats, as a worker's child has one, so that what it holds comes back at
once when it dies, charged to the messages it held.

One `Puller` a driver, with a `Tap` and a seat for each queue; all of it on the portal's loop. A tap turns only while
somebody waits for a message, or settles one.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Sequence

from postroad.core.delivery import Delivery
from postroad.core.outcome import Settlement, SettlementFailure
from postroad.engine.handler import Job
from postroad.engine.starts import Starts
from postroad.engine.tap import Tap
from postroad.errors import DeliveryLost, EngineError
from postroad.ports.driver import Driver, Subscription, Supervisable

HELD_MAX = 64
"""Of one queue, by the threads and coroutines of one process."""

SWEEP_S = 1.0

Admit = Callable[[Delivery], Job | Settlement]


class Puller:
    """Of one open driver, which may be a worker's own."""

    def __init__(self, driver: Driver) -> None:
        self.driver = driver
        self.worker = f"{os.uname().nodename}:{os.getpid()}"
        self.keeper = driver if isinstance(driver, Supervisable) else None
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
                self.taps[queue] = await self.opened(queue, admit)
            return self.taps[queue]

    async def opened(self, queue: str, admit: Admit) -> Tap:
        seat = self.keeper.reserve(HELD_MAX) if self.keeper is not None else None
        try:
            consumer = await self.driver.consume(Subscription((queue,), self.worker, seat), self)
        except BaseException:
            if self.keeper is not None and seat is not None:
                await self.keeper.vacate(seat)
            raise
        return Tap(self, consumer, admit, seat, Starts(seat, HELD_MAX))

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
    def empty_handed(self) -> bool:
        """Whether no message of any queue is in a user's hands."""
        return not any(tap.starts.taken for tap in self.taps.values())

    def holds(self, delivery: Delivery) -> None:
        """It goes to a user."""
        self.suspect_held = self.suspect_held or delivery.suspect

    def gave(self, delivery: Delivery) -> None:
        """It is settled: others may be taken again."""
        self.suspect_held = self.suspect_held and not delivery.suspect
        for tap in self.taps.values():
            tap.stir()

    def lost(self, held: Sequence[Delivery], why: str) -> None:
        """Their settlements will say so."""

    def state(self, state: str) -> None:
        """Nothing to do."""

    async def close(self) -> None:
        """Give back what is held, uncounted, and leave the seats. Once more does nothing."""
        if self.closed:
            return
        self.closed = True
        for tap in self.taps.values():
            await tap.close()
            with contextlib.suppress(EngineError):
                await tap.consumer.close()
                if self.keeper is not None and tap.seat is not None:
                    await self.keeper.vacate(tap.seat)

    def after_fork(self) -> None:
        """Everything here is the parent's."""
        self.closed = True
        for tap in self.taps.values():
            tap.starts.abandon()

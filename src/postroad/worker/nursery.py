"""The children of one worker: started, seated, drained, buried; and their hold on the engine given back."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import AsyncExitStack

from postroad.drivers.registry import open_driver, parse
from postroad.errors import EngineError, NotSupported
from postroad.ports.driver import Driver, Seat, Supervisable
from postroad.worker.backoff import Backoff
from postroad.worker.control import Failed
from postroad.worker.offspring import Offspring
from postroad.worker.options import WorkerOptions
from postroad.worker.room import room_of
from postroad.worker.slots import acquit
from postroad.worker.vitals import Vitals

logger = logging.getLogger("postroad.worker")

GRACE_S = 3.0
NEVER = float("inf")


class Nursery:
    """``wake``: called when a child said something. Times are monotonic seconds."""

    def __init__(self, options: WorkerOptions, wake: Callable[[], None]) -> None:
        self.options = options
        self.wake = wake
        self.room = room_of(options)
        self.children: dict[int, Offspring] = {}
        self.backoffs = [Backoff() for _ in range(options.processes)]
        self.start_at = dict.fromkeys(range(options.processes), 0.0)
        self.ever_ran: set[int] = set()
        self.misconfigured: list[Failed] = []
        self.unvacated: list[Seat] = []
        self.driver: Driver | None = None
        self.keeper: Supervisable | None = None
        self.open = AsyncExitStack()
        self.draining = False

    # Starting

    def start_due(self) -> None:
        """Start a child for every place whose time has come."""
        now = time.monotonic()
        for number, at in self.start_at.items():
            if number not in self.children and at <= now and not self.draining:
                self.start(number)

    def start(self, number: int) -> None:
        child = Offspring(number, self.options)
        self.children[number] = child
        asyncio.get_running_loop().add_reader(child.sock, self.hear, child)

    def hear(self, child: Offspring) -> None:
        if not child.hear():
            asyncio.get_running_loop().remove_reader(child.sock)
        self.wake()

    async def seat_ready(self) -> None:
        """Children that have imported the app get their seats."""
        for child in self.children.values():
            if child.hello is not None and child.seat is None:
                await self.open_engine(child.hello.url)
                self.seat(child)
            if child.running_since is not None:
                self.ever_ran.add(child.number)

    def seat(self, child: Offspring) -> None:
        """What the engine cannot do now, as on a full disk, is tried again in the next turn."""
        assert self.keeper is not None
        try:
            seat = self.keeper.reserve(self.room.slots + (child.hello.batched if child.hello is not None else 0))
        except EngineError as error:
            logger.warning("child %d cannot be seated yet: %s", child.pid, error, extra={"child": child.pid})
            return
        child.seat_at(seat, Vitals(self.room.coroutine_slots, time.monotonic()))

    async def open_engine(self, url: str) -> None:
        """Once; what dead workers left is taken back first. Raises what the engine says."""
        if self.driver is not None:
            return
        refuse_memory(url)
        driver = open_driver(url)
        if not isinstance(driver, Supervisable):
            raise NotSupported(f"{parse(url).scheme}:// cannot tell which local processes live: this worker cannot supervise on it.")
        await self.open.enter_async_context(driver)
        self.driver, self.keeper = driver, driver
        await driver.sweep()

    def next_start(self) -> float:
        """When the next place is to be filled."""
        return min((at for number, at in self.start_at.items() if number not in self.children), default=NEVER)

    def start_all_now(self) -> None:
        """Whatever they failed of is mended, perhaps."""
        self.misconfigured.clear()
        for number in self.start_at:
            self.start_at[number] = 0.0

    # Ending

    def drain(self, timeout_s: float) -> None:
        """All of them, for good."""
        self.draining = True
        for child in self.children.values():
            self.drain_child(child, timeout_s)

    def drain_child(self, child: Offspring, timeout_s: float, *, replace: bool = False) -> None:
        if child.seat is None and not replace:
            child.end()
        elif child.deadline is None:
            child.replaced = replace
            child.drain(timeout_s, time.monotonic() + timeout_s + GRACE_S)

    def end_all(self) -> None:
        """Kill them now; nothing is charged."""
        self.draining = True
        for child in self.children.values():
            child.end()

    def end_late(self) -> None:
        """Kill those that were to be drained by now."""
        for child in self.children.values():
            if child.deadline is not None and time.monotonic() > child.deadline and not child.innocent:
                logger.warning("child %d did not drain in time: killed", child.pid, extra={"child": child.pid})
                child.end()

    def bury_dead(self) -> None:
        for child in list(self.children.values()):
            if child.dead():
                self.bury(child)

    def bury(self, child: Offspring) -> None:
        asyncio.get_running_loop().remove_reader(child.sock)
        child.bury()
        del self.children[child.number]
        if child.seat is not None:
            if child.innocent:
                acquit(child.seat.slots_path)
            self.unvacated.append(child.seat)
        if not self.draining:
            self.start_at[child.number] = self.next_life(child)

    def next_life(self, child: Offspring) -> float:
        """When its place is filled again."""
        now = time.monotonic()
        if child.replaced:
            return now
        failed = child.failed
        if failed is not None and failed.configuration and (self.options.reload or child.number not in self.ever_ran):
            self.misconfigured.append(failed)
            return NEVER
        delay_s = self.backoffs[child.number].died(now - child.started_at)
        report_death(child, delay_s)
        return now + delay_s

    async def vacate(self) -> None:
        """Give back what the dead held. What the engine cannot take now is tried again in the next turn."""
        while self.unvacated and self.keeper is not None:
            try:
                count = await self.keeper.vacate(self.unvacated[0])
            except EngineError as error:
                logger.warning("what a dead child held cannot be given back yet: %s", error)
                return
            self.unvacated.pop(0)
            if count:
                logger.warning("took back %d messages of a dead child", count, extra={"messages": count})

    async def close(self) -> None:
        """Leave no child and no seat behind."""
        self.end_all()
        for child in list(self.children.values()):
            await asyncio.to_thread(child.process.wait)
            self.bury(child)
        await self.vacate()
        await self.open.aclose()


def refuse_memory(url: str) -> None:
    """Raises NotSupported: a worker's processes could not see one another's messages."""
    if parse(url).scheme == "memory":
        raise NotSupported(
            "memory:// is private to one process, and a worker is several: its children could not see what others send. "
            "Use sqlite:///postroad.db, or stay in one process with app.run() or 'with app.worker():'."
        )


def report_death(child: Offspring, delay_s: float) -> None:
    why = child.failed.error if child.failed is not None else child.how_it_died()
    facts = {"child": child.pid, "restart_in_s": round(delay_s, 3)}
    trace = f"\n{child.failed.traceback.rstrip()}" if child.failed is not None and child.failed.traceback else ""
    logger.error("child %d: %s; its place is filled again in %.1f s%s", child.pid, why, delay_s, trace, extra=facts)

"""Once a second: which children hang, which take nothing though messages wait. Reads slots, asks no child."""

from __future__ import annotations

import asyncio
import logging
import time

from postroad.ports.driver import Inspectable
from postroad.worker.nursery import Nursery
from postroad.worker.offspring import Offspring
from postroad.worker.slots import read_slots
from postroad.worker.vitals import Vitals

logger = logging.getLogger("postroad.worker")

STACKS_WAIT_S = 0.5
SLEPT_S = 5.0


class Examination:
    """``faults``: children found at fault in the last look, as words."""

    def __init__(self, nursery: Nursery) -> None:
        self.nursery = nursery
        self.options = nursery.options
        self.looked_at = time.monotonic()
        self.faults = 0

    async def look(self) -> None:
        """At every child that consumes."""
        now = time.monotonic()
        slept, self.looked_at = now - self.looked_at > SLEPT_S, now
        self.faults = 0
        for child in list(self.nursery.children.values()):
            if child.seat is not None and child.vitals is not None and child.running_since is not None:
                if slept:
                    child.vitals.forgive(now)
                child.vitals.look(read_slots(child.seat.slots_path, self.nursery.room.slots), now)
                await self.judge(child, child.vitals, now)

    async def judge(self, child: Offspring, vitals: Vitals, now: float) -> None:
        limit_s = self.options.stall_limit_s
        stalled = vitals.stalled(limit_s)
        if stalled:
            await self.kill(child, stalled)
        elif child.deadline is None and vitals.idle_in_vain(self.options.progress_limit_s) and await self.work_waits(child):
            self.faults += 1
            logger.error("child %d takes nothing though messages wait: restarting it", child.pid, extra={"child": child.pid})
            self.nursery.drain_child(child, self.options.drain_s, replace=True)
        elif late := vitals.overdue(limit_s, now):
            await self.tell_overdue(child, late)

    async def kill(self, child: Offspring, stalled: str) -> None:
        """With its stacks in the log. What ran is charged: one of it hangs."""
        self.faults += 1
        stacks = await self.stacks(child)
        logger.error("child %d stalled: %s; killed\n%s", child.pid, stalled, stacks, extra={"child": child.pid})
        child.kill()

    async def tell_overdue(self, child: Offspring, late: int) -> None:
        stacks = await self.stacks(child)
        message = "child %d: %d handlers have been running for more than %g s; it lives, so they are left running\n%s"
        logger.warning(message, child.pid, late, self.options.stall_limit_s, stacks, extra={"child": child.pid})

    async def stacks(self, child: Offspring) -> str:
        child.ask_for_stacks()
        await asyncio.sleep(STACKS_WAIT_S)
        return child.read_stacks() or "(no stacks: the process does not react to signals)"

    async def work_waits(self, child: Offspring) -> bool:
        queues = child.hello.queues if child.hello is not None else ()
        driver = self.nursery.driver
        if driver is None or not isinstance(driver, Inspectable):
            return False
        return any(depth.ready for depth in await driver.queues() if depth.queue in queues)

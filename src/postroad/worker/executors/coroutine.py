"""Coroutine functions, on the user's loop, at most ``concurrency`` at once."""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Any

from postroad.engine.executor import Done, Ended, Slots
from postroad.engine.handler import Job
from postroad.worker import forks
from postroad.worker.executors.batches import enter_batch
from postroad.worker.executors.failsafe import settled_anyway

RunAsync = Callable[[Job], Awaitable[Ended]]

LEAST = 4


class CoroutineExecutor:
    """A batch crosses to the user's loop by one call, however many jobs it has.

    The waiting jobs are in a deque, which both loops may pop: a job belongs to whoever popped it. ``shares``: there are
    other executors beside it; then it asks for twice what it has rather than for all it could run, so that a child with
    room for a hundred coroutines does not take a hundred messages that turn out to be for its four threads.
    """

    def __init__(
        self,
        concurrency: int,
        run_async: RunAsync,
        loop: asyncio.AbstractEventLoop,
        slots: Slots,
        first_slot: int,
        *,
        shares: bool = False,
    ) -> None:
        self.shares = shares
        self.concurrency = concurrency
        self.run_async = run_async
        self.loop = loop
        self.slots = slots
        self.free = list(range(first_slot + concurrency - 1, first_slot - 1, -1))
        self.waiting: deque[Job] = deque()
        self.tasks: dict[int, asyncio.Task[None]] = {}
        self.admitting = False

    @property
    def capacity(self) -> int:
        if not self.shares:
            return self.concurrency
        load = len(self.waiting) + self.concurrency - len(self.free)
        return min(self.concurrency, max(LEAST, 2 * load))

    @property
    def busy(self) -> bool:
        """Whether a coroutine is under way. From any thread."""
        return bool(self.tasks)

    def start(self, done: Done) -> None:
        self.done = done
        self.forks = forks.FORKS.count

    def submit(self, jobs: Sequence[Job]) -> None:
        self.waiting.extend(jobs)
        self.loop.call_soon_threadsafe(self.admit)

    def withdraw(self) -> Sequence[Job]:
        jobs: list[Job] = []
        while True:
            try:
                jobs.append(self.waiting.popleft())
            except IndexError:
                return jobs

    def close(self, timeout_s: float) -> None:
        """Wait up to ``timeout_s`` for what runs, then cancel it. Not from the user's loop."""
        ended: Future[None] = asyncio.run_coroutine_threadsafe(self.wind_up(timeout_s), self.loop)
        try:
            ended.result(timeout_s + 1.0)
        except FutureTimeout:
            ended.cancel()  # the loop is blocked by a handler, which dies with the process

    async def wind_up(self, timeout_s: float) -> None:
        if self.tasks:
            _done, late = await asyncio.wait(list(self.tasks.values()), timeout=timeout_s)
            for task in late:
                task.cancel()

    def admit(self) -> None:
        """On the user's loop: start as many as there are free slots. A task that ends as it begins leaves its slot to this loop."""
        if self.admitting:
            return
        self.admitting = True
        try:
            while self.free and self.waiting:
                self.launch(self.waiting.popleft(), self.free.pop())
        except IndexError:
            pass  # withdrawn meanwhile
        finally:
            self.admitting = False

    def launch(self, job: Job, slot: int) -> None:
        task = new_task(self.loop, self.one(job, slot))
        if not task.done():
            self.tasks[slot] = task

    async def one(self, job: Job, slot: int) -> None:
        if job.many:
            enter_batch(self.slots, slot, job)
        else:
            self.slots.enter(slot, job.delivery.receipt)
        try:
            settlement = await self.run_async(job)
        except BaseException as error:
            settlement = settled_anyway(job, error)
        if forks.FORKS.count != self.forks:
            forks.leave()
        if job.many:
            self.slots.leave_many(slot)
        else:
            self.slots.leave(slot)
        self.done(job, settlement)
        self.tasks.pop(slot, None)
        self.free.append(slot)
        if self.waiting:
            self.admit()


if sys.version_info >= (3, 12):

    def new_task(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Begun at once: a handler that never waits costs no turn of the loop."""
        return asyncio.Task(work, loop=loop, eager_start=True)

else:

    def new_task(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        return loop.create_task(work)

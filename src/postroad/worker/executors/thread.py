"""Plain functions, in a pool of threads fed by one queue.

The way of a job is: one put, one get, two slot writes, one call of ``done``. Nothing else: no lock, no future.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue

from postroad.engine.executor import Done, Ended, Slots
from postroad.engine.handler import Job
from postroad.worker import forks
from postroad.worker.executors.batches import enter_batch
from postroad.worker.executors.failsafe import settled_anyway

Run = Callable[[Job], Ended]


class ThreadExecutor:
    """``threads`` at once; what waits, waits in order. ``run`` may be anything that turns a job into a settlement."""

    def __init__(self, threads: int, run: Run, slots: Slots, first_slot: int, name: str = "handler") -> None:
        self.run = run
        self.slots = slots
        self.jobs: SimpleQueue[Job | None] = SimpleQueue()
        self.threads = [
            threading.Thread(target=self.work, args=(first_slot + index,), name=f"postroad-{name}-{index}", daemon=True)
            for index in range(threads)
        ]

    @property
    def capacity(self) -> int:
        return len(self.threads)

    def start(self, done: Done) -> None:
        """Start the threads. ``done`` is called from them."""
        self.done = done
        for thread in self.threads:
            thread.start()

    def submit(self, jobs: Sequence[Job]) -> None:
        put = self.jobs.put
        for job in jobs:
            put(job)

    def withdraw(self) -> Sequence[Job]:
        """Every job that no thread has taken yet."""
        jobs: list[Job] = []
        try:
            while True:
                job = self.jobs.get_nowait()
                if job is not None:
                    jobs.append(job)
        except Empty:
            return jobs

    def close(self, timeout_s: float) -> None:
        """End the idle threads, and wait for the others. A handler cannot be stopped: what is left dies with the process."""
        for _ in self.threads:
            self.jobs.put(None)
        deadline = time.monotonic() + timeout_s
        for thread in self.threads:
            if thread.ident is not None:
                thread.join(max(0.0, deadline - time.monotonic()))

    def work(self, slot: int) -> None:
        take, run, done, enter, leave, generation = (
            self.jobs.get, self.run, self.done, self.slots.enter, self.slots.leave, forks.FORKS,
        )  # fmt: skip
        ours = generation.count
        while (job := take()) is not None:
            if job.many:
                enter_batch(self.slots, slot, job)
            else:
                enter(slot, job.delivery.receipt)
            try:
                settlement = run(job)
            except BaseException as error:
                settlement = settled_anyway(job, error)
            if generation.count != ours:
                forks.leave()
            if job.many:
                self.slots.leave_many(slot)
            else:
                leave(slot)
            done(job, settlement)
            del job, settlement  # a thread that waits keeps no body alive

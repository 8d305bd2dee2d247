"""CPU-bound functions: one-task processes, one for each thread of a small pool that waits for its answers.

A process that dies is a crash of its own message alone: nobody else ran there.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from postroad.core.delivery import Attempt
from postroad.core.outcome import Reject, Release, Settlement
from postroad.core.retry import Failure
from postroad.engine.executor import Done, Slots
from postroad.engine.handler import Job
from postroad.engine.pipeline import Pipeline, accompanied
from postroad.worker.executors.thread import ThreadExecutor
from postroad.worker.solos import Solo, SoloDied, SoloFailed
from postroad.worker.wire import Introduction


class ProcessExecutor:
    """``processes`` at once, started when the first job comes, kept for the next."""

    def __init__(
        self, processes: int, introduction: Introduction, pipeline: Pipeline, slots: Slots, first_slot: int
    ) -> None:
        self.introduction = introduction
        self.pipeline = pipeline
        self.pool = ThreadExecutor(processes, self.run, slots, first_slot, "process")
        self.own = threading.local()
        self.solos: set[Solo] = set()
        self.started = False

    @property
    def capacity(self) -> int:
        return self.pool.capacity

    def start(self, done: Done) -> None:
        self.done = done

    def submit(self, jobs: Sequence[Job]) -> None:
        if jobs and not self.started:
            self.started = True
            self.pool.start(self.done)
        self.pool.submit(jobs)

    def withdraw(self) -> Sequence[Job]:
        return self.pool.withdraw()

    def close(self, timeout_s: float) -> None:
        """Wait for what runs; then the processes end, those that still run by force."""
        self.pool.close(timeout_s)
        for solo in list(self.solos):
            solo.kill()

    def run(self, job: Job) -> Settlement:
        """In a thread of the pool: hand over, wait, take the answer."""
        job.started_at = time.time()
        try:
            reply = self.solo().run(job.delivery, self.pipeline.on_progress)
        except SoloDied as death:
            self.drop_solo()
            return crashed(self.pipeline, job, str(death))
        except SoloFailed as failure:
            self.drop_solo()
            return self.pipeline.failed(job, failure)
        settlement = Settlement(job.delivery, reply.outcome, reply.sends, reply.writes)
        return accompanied(job, settlement) if job.handler.special else settlement

    def solo(self) -> Solo:
        solo: Solo | None = getattr(self.own, "solo", None)
        if solo is None:
            self.own.solo = solo = Solo(self.introduction)
            self.solos.add(solo)
        return solo

    def drop_solo(self) -> None:
        solo: Solo = self.own.solo
        self.own.solo = None
        self.solos.discard(solo)
        solo.kill()


def crashed(pipeline: Pipeline, job: Job, how: str) -> Settlement:
    """The message is charged with the death of its process, and convicted when it has had its starts."""
    record = Attempt("crash", "WorkerCrashed", how, "", job.started_at, time.time(), pipeline.worker)
    deaths = job.delivery.crashes + 1
    if deaths < job.handler.max_deliveries:
        failure = Failure(Release(attempt=record), "RETRYING", how)
    else:
        reason = f"its process died {deaths} times; the last time: {how}"
        failure = Failure(Reject(reason, record), "DEAD", reason)
    settlement = pipeline.ended(job.delivery, job.handler, failure, None, record)
    return accompanied(job, settlement) if job.handler.special else settlement

"""What executors do otherwise for a batch."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from postroad.engine.batching import BatchJob, run_batch, run_batch_async
from postroad.engine.executor import Ended, Slots
from postroad.engine.handler import Job
from postroad.engine.pipeline import Pipeline


def enter_batch(slots: Slots, slot: int, job: Job) -> None:
    """Every delivery of it has started."""
    assert isinstance(job, BatchJob)
    slots.enter_many(slot, [one.delivery.receipt for one in job.jobs])


def runner(pipeline: Pipeline) -> Callable[[Job], Ended]:
    """Runs jobs and batches, in threads."""

    def run(job: Job) -> Ended:
        return run_batch(pipeline, job) if isinstance(job, BatchJob) else pipeline.run(job)

    return run


def async_runner(pipeline: Pipeline) -> Callable[[Job], Awaitable[Ended]]:
    """Runs jobs and batches, on a loop."""

    async def run(job: Job) -> Ended:
        return await (run_batch_async(pipeline, job) if isinstance(job, BatchJob) else pipeline.run_async(job))

    return run

"""Handlers that take lists: deliveries gather, run together, and are told apart again when the run fails.

A batch that raises is run again in halves, at once, until the bad one stands alone: only it has failed, with attempts
of its own. ``BatchError`` names the bad ones, and saves the halving.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Sequence
from typing import Any

from postroad.core.outcome import Settlement
from postroad.engine.context import CURRENT, HandlerContext
from postroad.engine.handler import Batch, Handler, Job
from postroad.engine.pipeline import Pipeline, refuse_awaitable
from postroad.errors import BatchError, HandlerSignal

Ended = list[tuple[Job, Settlement]]
Calls = Generator[list[Any], BaseException | None, Ended]
"""Yields the lists to call the handler with; is sent what each call raised; returns how all of them ended."""


class BatchJob(Job):
    """Several deliveries for one call. ``delivery`` is the first's."""

    __slots__ = ("jobs",)

    many = True

    def __init__(self, jobs: Sequence[Job]) -> None:
        super().__init__(jobs[0].delivery, jobs[0].handler)
        self.jobs = list(jobs)


def run_batch(pipeline: Pipeline, batch: BatchJob) -> Ended:
    """In this thread. Never raises."""
    calls = batch_calls(pipeline, batch)
    try:
        items = next(calls)
        while True:
            items = calls.send(raised(batch.handler, items))
    except StopIteration as end:
        ended: Ended = end.value
        return ended
    finally:
        CURRENT.set(None)


async def run_batch_async(pipeline: Pipeline, batch: BatchJob) -> Ended:
    """On this loop. Never raises."""
    calls = batch_calls(pipeline, batch)
    try:
        items = next(calls)
        while True:
            items = calls.send(await raised_async(batch.handler, items))
    except StopIteration as end:
        ended: Ended = end.value
        return ended


def raised(handler: Handler, items: list[Any]) -> BaseException | None:
    try:
        refuse_awaitable(handler.name, handler.function(items))
    except BaseException as error:
        return error
    return None


async def raised_async(handler: Handler, items: list[Any]) -> BaseException | None:
    try:
        refuse_awaitable(handler.name, await handler.function(items))
    except BaseException as error:
        return error
    return None


def batch_calls(pipeline: Pipeline, batch: BatchJob) -> Calls:
    """Those that can be read, together; the others have failed by themselves."""
    ended: Ended = []
    readable: list[tuple[Job, Any]] = []
    for job in batch.jobs:
        read_one(pipeline, job, readable, ended)
    if readable:
        ended += yield from attempt(pipeline, readable)
    return ended


def read_one(pipeline: Pipeline, job: Job, readable: list[tuple[Job, Any]], ended: Ended) -> None:
    if job.delivery.message.id in pipeline.cancelled:
        ended.append((job, pipeline.revoked(job)))
        return
    pipeline.start(job)
    try:
        readable.append((job, job.handler.decode(job.delivery.message)[0][0]))
    except Exception as error:
        ended.append((job, pipeline.failed(job, error)))


def attempt(pipeline: Pipeline, part: list[tuple[Job, Any]]) -> Calls:
    """One call; after an error that names nobody, one for each half."""
    context = pipeline.enter(part[0][0])
    error = yield [item for _job, item in part]
    context.buffer.closed = True
    if error is None or (isinstance(error, BatchError) and names_only(error, len(part))):
        return told_apart(pipeline, part, context, {} if error is None else error.errors)
    if len(part) == 1 or isinstance(error, HandlerSignal | BatchError):
        return [(job, pipeline.failed(job, error)) for job, _item in part]
    half = len(part) // 2
    first = yield from attempt(pipeline, part[:half])
    second = yield from attempt(pipeline, part[half:])
    return first + second


def names_only(error: BatchError, count: int) -> bool:
    """Whether every index is one of the batch; when not, none of them can be believed."""
    return all(0 <= index < count for index in error.errors)


def told_apart(
    pipeline: Pipeline, part: list[tuple[Job, Any]], context: HandlerContext, errors: dict[int, BaseException]
) -> Ended:
    """Those named have failed, the others not; what the call sent leaves with the first of these."""
    ended: Ended = []
    sends = tuple(context.buffer.sends)
    for index, (job, _item) in enumerate(part):
        if index in errors:
            ended.append((job, pipeline.failed(job, errors[index])))
        else:
            ended.append((job, pipeline.ended_well(job, sends)))
            sends = ()
    return ended


class Gatherer:
    """Deliveries of batch handlers, until there are enough or the wait is over. On the engine's loop.

    ``submit``: takes the batches that are ready.
    """

    def __init__(self, submit: Callable[[Handler, list[Job]], None]) -> None:
        self.submit = submit
        self.waiting: dict[int, list[Job]] = {}
        self.timers: dict[int, asyncio.TimerHandle] = {}

    def add(self, job: Job, batch: Batch) -> None:
        """One more."""
        key = id(job.handler)
        jobs = self.waiting.setdefault(key, [])
        jobs.append(job)
        if len(jobs) >= batch.size:
            self.flush(key)
        elif key not in self.timers:
            self.timers[key] = asyncio.get_running_loop().call_later(batch.wait_s, self.flush, key)

    def flush(self, key: int) -> None:
        """What is there is a batch."""
        timer = self.timers.pop(key, None)
        if timer is not None:
            timer.cancel()
        jobs = self.waiting.pop(key, [])
        if jobs:
            self.submit(jobs[0].handler, [BatchJob(jobs)])

    def withdraw(self) -> list[Job]:
        """Take back all that waits."""
        for timer in self.timers.values():
            timer.cancel()
        jobs = [job for waiting in self.waiting.values() for job in waiting]
        self.waiting, self.timers = {}, {}
        return jobs


def each_of(jobs: Sequence[Job]) -> list[Job]:
    """The jobs in the batches among them, and the others."""
    return [one for job in jobs for one in (job.jobs if isinstance(job, BatchJob) else (job,))]

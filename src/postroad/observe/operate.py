"""An operator's acts on tasks and dead letters, for the command line and the dashboard."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec

from postroad.core.writes import Put
from postroad.errors import NotFound
from postroad.observe.inspect import Inspection
from postroad.observe.views import TaskView
from postroad.ports.driver import DeadLetterFilter
from postroad.tasks.documents import ENCODE, KIND, StateDocument

CHUNK = 500
REVOKED_KEEP_S = 86_400.0


async def numbers_of(inspection: Inspection, references: Sequence[str], missing: Callable[[str], None]) -> list[int]:
    """The numbers of these dead letters, each once; ``missing`` is told of those that are not there."""
    numbers: dict[int, None] = {}
    for reference in references:
        try:
            numbers[(await inspection.dead_letter(reference)).number] = None
        except NotFound as error:
            missing(str(error))
    return list(numbers)


class Act(NamedTuple):
    """``verb``: ``redrive`` or ``purge``. ``rate_per_s``: redriven ones become ready that fast."""

    verb: str
    rate_per_s: float | None = None


class Acted(msgspec.Struct, frozen=True):
    """How many it was done to, and why it was not done to the next one (its queue is full, or gone)."""

    count: int
    refused: str = ""


async def matching(inspection: Inspection, act: Act, which: DeadLetterFilter, limit: int) -> Acted:
    """Redrive or purge up to ``limit`` letters, in transactions of 500; with a rate in one, for it counts from its start."""
    total = 0
    which = dead_by_now(which)
    while total < limit:
        done = await once(inspection, act, which, limit if act.rate_per_s else min(CHUNK, limit - total))
        total += done.count
        if not done.count or done.refused or act.rate_per_s:
            return Acted(total, done.refused)
    return Acted(total)


def dead_by_now(which: DeadLetterFilter) -> DeadLetterFilter:
    """Not those that die again while it goes on."""
    now = time.time()
    return msgspec.structs.replace(which, until=now if which.until is None else min(which.until, now))


async def once(inspection: Inspection, act: Act, which: DeadLetterFilter, limit: int) -> Acted:
    if act.verb == "purge":
        return Acted(await inspection.engine.delete_dead(which, limit))
    redriven = await inspection.engine.redrive(which, limit, rate_per_s=act.rate_per_s)
    return Acted(redriven.count, redriven.refused)


async def each(inspection: Inspection, act: Act, numbers: Sequence[int]) -> Acted:
    """The same for letters by number."""
    done = [await matching(inspection, act, DeadLetterFilter(number=number), 1) for number in numbers]
    return Acted(sum(one.count for one in done), next((one.refused for one in done if one.refused), ""))


async def cancel(inspection: Inspection, tasks: Sequence[TaskView], reason: str) -> int:
    """Waiting ones end as REVOKED at once; running ones are marked. Answers how many were still there."""
    writes = [revoked(task, reason, time.time()) for task in tasks]
    return len(await inspection.engine.cancel([task.id for task in tasks], reason, writes))


def revoked(task: TaskView, reason: str, now: float) -> Put:
    """The record of a task that was taken back before it ran."""
    sent_at = task.queued_at or now
    document = StateDocument(task.task, task.queue, "REVOKED", task.attempt, sent_at, 0.0, now, reason=reason)
    return Put(KIND, task.id, ENCODE(document).decode(), "REVOKED", now + REVOKED_KEEP_S)

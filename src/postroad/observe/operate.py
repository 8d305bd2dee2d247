"""An operator's acts on tasks and dead letters, for the command line and the dashboard."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

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


async def matching(inspection: Inspection, verb: str, which: DeadLetterFilter, limit: int) -> int:
    """Redrive or purge up to ``limit`` letters, in transactions of 500. Answers how many."""
    act = inspection.engine.redrive if verb == "redrive" else inspection.engine.delete_dead
    total = 0
    while total < limit and (count := await act(which, min(CHUNK, limit - total))):
        total += count
    return total


async def each(inspection: Inspection, verb: str, numbers: Sequence[int]) -> int:
    """The same for letters by number."""
    return sum([await matching(inspection, verb, DeadLetterFilter(number=number), 1) for number in numbers])


async def cancel(inspection: Inspection, tasks: Sequence[TaskView], reason: str) -> int:
    """Waiting ones end as REVOKED at once; running ones are marked. Answers how many were still there."""
    writes = [revoked(task, reason, time.time()) for task in tasks]
    return len(await inspection.engine.cancel([task.id for task in tasks], reason, writes))


def revoked(task: TaskView, reason: str, now: float) -> Put:
    """The record of a task that was taken back before it ran."""
    sent_at = task.queued_at or now
    document = StateDocument(task.task, task.queue, "REVOKED", task.attempt, sent_at, 0.0, now, reason=reason)
    return Put(KIND, task.id, ENCODE(document).decode(), "REVOKED", now + REVOKED_KEEP_S)

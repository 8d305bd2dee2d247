"""Where a task stands: read from its end if it has one, else from where its message waits."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from postroad.ports.driver import Located
from postroad.tasks.documents import DECODE_PROGRESS, PROGRESS_KIND, Progress, StateDocument
from postroad.tasks.memory import Memory
from postroad.tasks.watch import documents, last_words


class TaskStatus(msgspec.Struct, frozen=True):
    """A task's state (SCHEDULED PENDING RUNNING RETRYING SUCCEEDED FAILED REVOKED EXPIRED DEAD DROPPED) and its times, UTC.

    ``error``: "Type: words" of the last failed attempt, or the reason it ended; None when all is well.
    """

    state: str
    attempt: int
    progress: Progress | None
    error: str | None
    queued_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    worker: str | None


async def statuses(memory: Memory, ids: Sequence[str]) -> dict[str, TaskStatus]:
    """Those that are known. An end is looked for twice: a task may end between the first look and the second."""
    ended = await documents(memory, ids)
    missing = [id for id in ids if id not in ended]
    located = {one.id: one for one in await memory.locate(missing)} if missing else {}
    ended |= await last_words(memory, [id for id in missing if id not in located])
    progress = await progresses(memory, [id for id in ids if id in ended or id in located])
    found = {id: from_document(document, progress.get(id)) for id, document in ended.items()}
    return found | {id: from_place(one, progress.get(id)) for id, one in located.items()}


async def progresses(memory: Memory, ids: Sequence[str]) -> dict[str, Progress]:
    found = await memory.get(PROGRESS_KIND, ids) if ids else ()
    return {document.key: DECODE_PROGRESS(document.value) for document in found}


def from_document(document: StateDocument, progress: Progress | None) -> TaskStatus:
    return TaskStatus(
        document.state,
        document.attempt,
        progress,
        failure_words(document),
        moment(document.queued_at),
        moment(document.started_at) if document.started_at else None,
        moment(document.finished_at),
        document.worker or None,
    )


def failure_words(document: StateDocument) -> str | None:
    if document.error_type:
        return f"{document.error_type}: {document.error}"
    return document.reason or document.error or None


def from_place(located: Located, progress: Progress | None) -> TaskStatus:
    last = located.history[-1] if located.history else None
    return TaskStatus(
        state_of(located),
        located.attempt,
        progress,
        f"{last.error_type}: {last.error}" if last is not None and last.error_type else None,
        moment(located.message.queued_at),
        optional_moment(located.started_at),
        None,
        located.worker,
    )


def state_of(located: Located) -> str:
    """The state a message's place stands for."""
    if located.place == "running":
        return "RUNNING"
    if located.attempt > 1:
        return "RETRYING"
    return "SCHEDULED" if located.place == "delayed" else "PENDING"


def moment(at_s: float) -> datetime:
    return datetime.fromtimestamp(at_s, UTC)


def optional_moment(at_s: float | None) -> datetime | None:
    return None if at_s is None else moment(at_s)

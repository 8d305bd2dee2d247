"""What inspection answers: plain values, the same for everybody who looks. Times are wall seconds."""

from __future__ import annotations

import base64

import msgspec

from postroad.core.delivery import Attempt
from postroad.core.writes import Document
from postroad.ports.driver import DeadLetterRecord, Located, QueueDepth
from postroad.tasks.documents import DECODE_STATE, TASK_HEADER

PLACES = {"ready": "PENDING", "delayed": "SCHEDULED", "held": "PENDING", "running": "RUNNING"}


class TaskView(msgspec.Struct, frozen=True):
    """One task, wherever it is.

    ``result`` and ``progress`` are JSON as kept. The body is there while it waits or is dead: as text when it
    is UTF-8, else as base64.
    """

    id: str
    task: str
    queue: str
    state: str
    attempt: int = 1
    crashes: int = 0
    priority: int | None = None
    key: str | None = None
    queued_at: float | None = None
    due_at: float | None = None
    started_at: float | None = None
    finished_at: float | None = None
    worker: str | None = None
    result: msgspec.Raw | None = None
    error: str | None = None
    error_type: str | None = None
    traceback: str | None = None
    reason: str | None = None
    progress: msgspec.Raw | None = None
    headers: dict[str, str] = {}
    body: str | None = None
    body_base64: str | None = None
    dead_letter: int | None = None
    history: tuple[Attempt, ...] = ()


class WorkerView(msgspec.Struct, frozen=True):
    """A process that may hold messages. ``state``: ``alive``, ``stopped`` (by SIGSTOP) or ``dead``. ``queues``: what it takes from."""

    name: str
    pid: int
    supervisor_pid: int
    host: str
    state: str
    started_at: float
    in_flight: int
    running: tuple[str, ...] = ()
    queues: tuple[str, ...] = ()


class MessageView(msgspec.Struct, frozen=True):
    """A message that waits. ``place``: ``ready`` or ``delayed``. The body is text when it is UTF-8, else base64."""

    id: str
    queue: str
    place: str
    attempt: int
    priority: int
    key: str | None
    queued_at: float
    due_at: float | None
    expires_at: float | None
    content_type: str
    headers: dict[str, str]
    body: str | None
    body_base64: str | None


class DeadLetterView(msgspec.Struct, frozen=True):
    """A dead letter, whole. The body is text when it is UTF-8, else base64: the original bytes.

    ``deaths``: 2 and more when it was redriven and died again. ``edited``: its body or headers are no longer as sent.
    """

    number: int
    id: str
    task: str
    source: str
    reason: str
    error_type: str
    fingerprint: str
    died_at: float
    attempt: int
    crashes: int
    worker: str
    queued_at: float
    priority: int
    key: str | None
    content_type: str
    headers: dict[str, str]
    body: str | None
    body_base64: str | None
    history: tuple[Attempt, ...]
    deaths: int = 1
    edited: bool = False


class DeadLetterGroup(msgspec.Struct, frozen=True):
    """Dead letters that died of the same thing. ``example`` is the number of the newest."""

    fingerprint: str
    count: int
    task: str
    source: str
    error_type: str
    reason: str
    first_at: float
    last_at: float
    example: int


class Stats(msgspec.Struct, frozen=True):
    """The engine in numbers. ``counters`` count since the file was made."""

    queues: int
    ready: int
    delayed: int
    in_flight: int
    dead: int
    workers: int
    counters: dict[str, int]


def of_located(found: Located) -> TaskView:
    """A task that has not ended."""
    message = found.message
    text, encoded = body_of(message.body)
    last = found.history[-1] if found.history else None
    return TaskView(
        found.id,
        message.headers.get(TASK_HEADER, ""),
        found.queue,
        state_of(found),
        found.attempt,
        found.crashes,
        message.priority,
        message.key,
        message.queued_at,
        found.due_at,
        found.started_at,
        worker=found.worker,
        error=last.error if last else None,
        error_type=last.error_type if last else None,
        traceback=last.traceback if last else None,
        headers=message.headers,
        body=text,
        body_base64=encoded,
        history=found.history,
    )


def state_of(found: Located) -> str:
    """Waiting after a counted failure is RETRYING, wherever it waits."""
    waits = found.place in ("ready", "delayed")
    return "RETRYING" if waits and found.attempt > 1 else PLACES[found.place]


def of_document(document: Document) -> TaskView:
    """A task that has ended."""
    kept = DECODE_STATE(document.value)
    return TaskView(
        document.key,
        kept.task,
        kept.queue,
        document.tag or kept.state,
        kept.attempt,
        queued_at=kept.queued_at,
        started_at=kept.started_at or None,
        finished_at=kept.finished_at,
        worker=kept.worker or None,
        result=kept.result if kept.state == "SUCCEEDED" else None,
        error=kept.error or None,
        error_type=kept.error_type or None,
        traceback=kept.traceback or None,
        reason=kept.reason or None,
    )


def of_letter(record: DeadLetterRecord) -> DeadLetterView:
    message = record.message
    text, encoded = body_of(message.body)
    return DeadLetterView(
        record.number,
        message.id,
        message.headers.get(TASK_HEADER, ""),
        record.source,
        record.reason,
        record.error_type,
        record.fingerprint,
        record.died_at,
        record.attempt,
        record.crashes,
        record.worker,
        message.queued_at,
        message.priority,
        message.key,
        message.content_type,
        message.headers,
        text,
        encoded,
        record.history,
        record.deaths,
        record.edited,
    )


def of_waiting(found: Located) -> MessageView:
    message = found.message
    text, encoded = body_of(message.body)
    return MessageView(
        found.id,
        found.queue,
        found.place,
        found.attempt,
        message.priority,
        message.key,
        message.queued_at,
        found.due_at,
        message.expires_at,
        message.content_type,
        message.headers,
        text,
        encoded,
    )


def of_dead_task(record: DeadLetterRecord) -> TaskView:
    """A task that ended as a dead letter and left no document: the letter is the record."""
    letter = of_letter(record)
    last = record.history[-1] if record.history else None
    return TaskView(
        letter.id,
        letter.task,
        letter.source,
        "FAILED" if last is not None and raised(last) else "DEAD",
        letter.attempt,
        letter.crashes,
        letter.priority,
        letter.key,
        letter.queued_at,
        started_at=last.started_at if last else None,
        finished_at=letter.died_at,
        worker=letter.worker,
        error=last.error if last else None,
        error_type=letter.error_type or None,
        traceback=last.traceback if last else None,
        reason=letter.reason,
        headers=letter.headers,
        body=letter.body,
        body_base64=letter.body_base64,
        dead_letter=letter.number,
        history=letter.history,
    )


def raised(attempt: Attempt) -> bool:
    """It ended by an error of the task's own, not by a crash, an unknown name or the handler's word."""
    own = bool(attempt.error_type) and not attempt.error_type.startswith("postroad.errors.")
    return attempt.kind == "error" and own


def body_of(body: bytes) -> tuple[str | None, str | None]:
    """(text, None) for UTF-8, else (None, base64)."""
    try:
        return body.decode(), None
    except UnicodeDecodeError:
        return None, base64.b64encode(body).decode()


def bytes_of(text: str | None, encoded: str | None) -> bytes:
    """The other way round. Raises ValueError."""
    return base64.b64decode(encoded, validate=True) if encoded is not None else (text or "").encode()


def total(queues: list[QueueDepth], workers: int, counters: dict[str, int]) -> Stats:
    return Stats(
        len(queues),
        sum(queue.ready for queue in queues),
        sum(queue.delayed for queue in queues),
        sum(queue.in_flight for queue in queues),
        sum(queue.dead for queue in queues),
        workers,
        counters,
    )

"""How a task's end and its progress are written down, as JSON documents of the store."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw

TASK_HEADER = "postroad-task"
KIND = "task"
PROGRESS_KIND = "progress"

NOTHING = Raw(b"null")


class StateDocument(msgspec.Struct, frozen=True, omit_defaults=True):
    """The end of a task. Times are wall-clock seconds; ``result`` is JSON, as it was encoded.

    ``error_args``: the arguments of the exception, when all are JSON scalars: it can be rebuilt from them.
    """

    task: str
    queue: str
    state: str
    attempt: int
    queued_at: float
    started_at: float
    finished_at: float
    worker: str = ""
    result: Raw = NOTHING
    error: str = ""
    error_type: str = ""
    error_args: list[Any] | None = None
    traceback: str = ""
    reason: str = ""


class Progress(msgspec.Struct, frozen=True):
    """How far a running task says it is."""

    current: float
    total: float | None = None
    meta: dict[str, Any] = {}


ENCODE = msgspec.json.Encoder().encode
DECODE_STATE = msgspec.json.Decoder(StateDocument).decode
DECODE_PROGRESS = msgspec.json.Decoder(Progress).decode

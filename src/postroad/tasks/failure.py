"""The error that `get` raises for a task that did not succeed.

An exception type is rebuilt only if its module is imported already, it is an Exception, and its arguments were JSON
scalars: nothing that a message names is ever imported.
"""

from __future__ import annotations

from postroad.engine.errortypes import loaded_type
from postroad.errors import TaskDead, TaskDropped, TaskExpired, TaskFailed, TaskRevoked
from postroad.tasks.documents import StateDocument


class RemoteTraceback(Exception):
    """Where in the worker the error was raised: the cause of what `get` raises. Only to be read."""

    def __str__(self) -> str:
        return f"\n\n{self.args[0]}" if self.args else ""


def error_of(id: str, document: StateDocument) -> Exception:
    """What to raise for this end."""
    if document.state == "REVOKED":
        return TaskRevoked(f"Task {document.task} {id} was cancelled{because(document)}")
    if document.state == "EXPIRED":
        return TaskExpired(f"Task {document.task} {id} was not started before it expired.")
    if document.state == "DROPPED":
        return TaskDropped(f"Task {document.task} {id} was dropped{because(document)}")
    return traced(document, rebuilt(document) or failed(id, document))


def because(document: StateDocument) -> str:
    reason = document.reason or document.error
    return f": {reason}" if reason else "."


def failed(id: str, document: StateDocument) -> TaskFailed:
    kind = TaskDead if document.state == "DEAD" else TaskFailed
    words = document.reason or f"{document.error_type}: {document.error}"
    return kind(
        f"Task {document.task} {id} failed: {words}", error_type=document.error_type, remote_traceback=document.traceback
    )


def traced(document: StateDocument, error: Exception) -> Exception:
    if document.traceback:
        error.__cause__ = RemoteTraceback(document.traceback)
    return error


def rebuilt(document: StateDocument) -> Exception | None:
    """The task's own error, when it can be had without importing or trusting anything."""
    if document.state != "FAILED" or document.error_args is None:
        return None
    kind = loaded_type(document.error_type)
    if kind is None:
        return None
    try:
        error: object = kind(*document.error_args)
    except Exception:
        return None
    return error if isinstance(error, Exception) else None

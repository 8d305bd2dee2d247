"""Structured logs over the standard library's logging: lines of text or of JSON.

Inside a handler every record says which task it belongs to: ``task``, ``id`` and ``attempt``. In text, control
characters are taken out, so that what a message brought cannot fake a line or act on a terminal.
"""

from __future__ import annotations

import logging
import os
import socket
import sys
from datetime import UTC, datetime
from typing import Any, TextIO

import msgspec

from postroad.engine.context import CURRENT
from postroad.errors import InvalidOption
from postroad.observe.plaintext import block, line

FORMATS = ("text", "json")
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
OWN = ("task", "id", "attempt", "worker")
STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "postroad", "taskName"}


def configure(format: str = "text", level: str = "INFO", stream: TextIO | None = None) -> logging.Handler:
    """Send the root logger's records to ``stream`` (stderr), in place of what an earlier call set up.

    ``format``: "text" or "json". Raises InvalidOption.
    """
    if format not in FORMATS or level.upper() not in LEVELS:
        raise InvalidOption(
            f"Logs of format {format!r}, level {level!r}: the format is one of {', '.join(FORMATS)}, the level one of "
            f"{', '.join(LEVELS)}."
        )
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.set_name("postroad")
    handler.addFilter(TaskFacts())
    handler.setFormatter(JsonLines() if format == "json" else TextLines())
    root = logging.getLogger()
    root.handlers = [other for other in root.handlers if other.get_name() != "postroad"] + [handler]
    root.setLevel(level.upper())
    return handler


class TaskFacts(logging.Filter):
    """Notes, in the thread that logs, which task is running there."""

    def __init__(self) -> None:
        super().__init__()
        self.host = socket.gethostname()

    def filter(self, record: logging.LogRecord) -> bool:
        record.postroad = {**task_facts(), "worker": f"{self.host}:{os.getpid()}"}
        return True


def task_facts() -> dict[str, Any]:
    context = CURRENT.get()
    if context is None:
        return {}
    delivery = context.delivery
    return {"task": context.name, "id": delivery.message.id, "attempt": delivery.attempt}


def facts_of(record: logging.LogRecord) -> dict[str, Any]:
    """What stands in a record beside its message: the task's facts and the caller's ``extra``."""
    extra = {name: value for name, value in vars(record).items() if name not in STANDARD}
    return {**extra, **getattr(record, "postroad", {})}


class TextLines(logging.Formatter):
    """``time level logger: message name=value ...``; a traceback on lines of its own."""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created).isoformat(" ", "milliseconds")
        facts = "".join(f" {name}={line(as_text(value))}" for name, value in facts_of(record).items())
        text = f"{at} {record.levelname:<7} {record.name}: {line(record.getMessage())}{facts}"
        trace = self.trace(record)
        return f"{text}\n{indented(trace)}" if trace else text

    def trace(self, record: logging.LogRecord) -> str:
        if record.exc_info and record.exc_info[0] is not None:
            return block(self.formatException(record.exc_info))
        return ""


def indented(text: str) -> str:
    """So that no line of a traceback can pass for a record."""
    return "\n".join("    " + part for part in text.splitlines())


class JsonLines(logging.Formatter):
    """One object a line: ``time level logger message``, the task's facts, the caller's ``extra``, ``traceback``."""

    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **facts_of(record),
        }
        if record.exc_info and record.exc_info[0] is not None:
            entry["error_type"] = record.exc_info[0].__qualname__
            entry["traceback"] = self.formatException(record.exc_info)
        return ENCODER.encode(entry).decode()


def as_text(value: Any) -> str:
    """A value in words; one whose own words raise must not lose the record."""
    try:
        return value if isinstance(value, str) else repr(value)
    except Exception as broken:
        return f"(its text cannot be had: {type(broken).__name__})"


ENCODER = msgspec.json.Encoder(enc_hook=as_text)

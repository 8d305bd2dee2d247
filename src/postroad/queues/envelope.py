"""What is said of a message beside its body."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from postroad.core.durations import Duration, optional_seconds
from postroad.core.message import PRIORITY_DEFAULT, Message
from postroad.engine.checks import checked_id, checked_key, user_headers
from postroad.engine.identity import new_id
from postroad.errors import InvalidOption, Unserialisable

Key = str | Callable[[Any], Any]
"""The key itself, or a function of the body that answers it."""

NO_HEADERS: dict[str, str] = {}


class Envelope(msgspec.Struct, frozen=True, gc=False):
    """Checked, and the same for each of many messages. ``key``: of a message by its body, None for none."""

    priority: int = PRIORITY_DEFAULT
    delay_s: float | None = None
    expires_s: float | None = None
    key: Callable[[Any], str | None] | None = None
    headers: dict[str, str] = {}
    id: str | None = None

    def message(self, body: Any, content: bytes, content_type: str) -> Message:
        """Around this body."""
        now = time.time()
        return Message(
            self.id or new_id(),
            content,
            content_type,
            self.headers,
            None if self.key is None else self.key(body),
            self.priority,
            None if self.delay_s is None else now + self.delay_s,
            None if self.expires_s is None else now + self.expires_s,
            now,
            False,
            self.id is not None,
        )


def envelope(
    priority: int,
    delay: Duration | None,
    key: Key | None,
    headers: Mapping[str, str] | None,
    id: str | None,
    expires: Duration | None,
    field: Callable[[Any], str | None] | None = None,
) -> Envelope:
    """From what a user says. ``field``: the key of a queue's messages when nothing is said of this one's."""
    return Envelope(
        priority,
        optional_seconds(delay, "delay"),
        optional_seconds(expires, "expires"),
        field if key is None else keyed(key),
        user_headers(headers) if headers else NO_HEADERS,
        checked_id(id),
    )


def keyed(key: Key) -> Callable[[Any], str | None]:
    """One key for all, or the function's answer."""
    if callable(key):
        return lambda body: checked_key(key(body))
    if not isinstance(key, str):
        raise InvalidOption(f"key={key!r}: write text, or a function of the body.")
    fixed = checked_key(key)
    return lambda body: fixed


def key_field(key: Key | None, queue: str) -> Callable[[Any], str | None] | None:
    """``app.queue(key=...)``: a field of the body by its name, or a function of the body."""
    if key is None or callable(key):
        return None if key is None else keyed(key)
    name: object = key
    if not isinstance(name, str) or not name:
        raise InvalidOption(f"key={key!r}: write the name of a field of the body, or a function of the body.")
    return lambda body: checked_key(field_of(body, key, queue))


def field_of(body: Any, name: str, queue: str) -> Any:
    """Of a dict or an object. Raises Unserialisable for a body without it."""
    try:
        return body[name] if isinstance(body, Mapping) else getattr(body, name)
    except (KeyError, AttributeError):
        raise Unserialisable(
            f"Queue {queue!r} is declared with key={name!r}, and this body ({type(body).__name__}) has no such field: add it, or "
            "say put(..., key=...)."
        ) from None

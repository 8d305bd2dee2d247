"""What a store is told to remember: documents by kind and key."""

from __future__ import annotations

import msgspec


class Put(msgspec.Struct, frozen=True, gc=False, tag="put"):
    """Write a document. ``value`` is JSON text. ``tag`` is a word to filter by (a task's state).

    ``expires_at``: wall-clock seconds after which it may be swept; None keeps it.
    """

    kind: str
    key: str
    value: str
    tag: str = ""
    expires_at: float | None = None


class Delete(msgspec.Struct, frozen=True, gc=False, tag="delete"):
    """Forget a document; no error when there is none."""

    kind: str
    key: str


Write = Put | Delete


class Absent(msgspec.Struct, frozen=True, gc=False, tag="absent"):
    """Holds when there is no such document."""

    kind: str
    key: str


class Tagged(msgspec.Struct, frozen=True, gc=False, tag="tagged"):
    """Holds when the document exists with one of these tags."""

    kind: str
    key: str
    tags: tuple[str, ...]


Condition = Absent | Tagged


class Committed(msgspec.Struct, frozen=True, gc=False):
    """All writes are kept."""


class Conflict(msgspec.Struct, frozen=True, gc=False):
    """Nothing was written: this condition did not hold."""

    condition: Condition


class Document(msgspec.Struct, frozen=True, gc=False):
    """A document as read."""

    kind: str
    key: str
    value: str
    tag: str = ""
    expires_at: float | None = None

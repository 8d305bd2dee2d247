"""Messages as rows, and back. A batch travels to and from SQLite as one JSON text: one step of one statement, so that
a busy interpreter delays it once and not once a row (claiming 100 row by row beside a busy thread held the lock 384 ms;
as one text 3 us a row)."""

from __future__ import annotations

from typing import Any

import msgspec

from postroad.core.delivery import Attempt, Delivery
from postroad.core.message import JSON, PRIORITY_MAX, Message, Unique
from postroad.drivers.sqlite.schema import DEDUPE, SKIP, TEXT, TRACK, UNIQUE


class Head(msgspec.Struct, frozen=True, omit_defaults=True):
    """The parts of an envelope that no statement asks about."""

    h: dict[str, str] = {}
    c: str = JSON
    u: str | None = None
    t: float | None = None


class Row(msgspec.Struct, frozen=True, array_like=True):
    """A message as `COLUMNS` gives it."""

    seq: int
    id: str
    queue: int
    rank: int
    key: str | None
    due_at: float | None
    expires_at: float | None
    queued_at: float
    flags: int
    attempt: int
    crashes: int
    head: Head
    body: str
    history: tuple[Attempt, ...] | None = None


COLUMNS = (
    "m.seq, m.id, m.queue, m.rank, m.key, m.due_at, m.expires_at, m.queued_at, m.flags, m.attempt, m.crashes, json(m.head), "
    f"CASE WHEN m.flags & {TEXT} THEN CAST(m.body AS TEXT) ELSE hex(m.body) END, json(m.history)"
)

ROWS = msgspec.json.Decoder(list[Row])
HEAD = msgspec.json.Encoder()


def message_row(message: Message, queue: int) -> list[Any]:
    """The values that `publish` inserts, in the order of its statement."""
    text = plain_text(message.body)
    return [
        message.id,
        queue,
        PRIORITY_MAX - message.priority,
        message.key,
        message.due_at,
        message.expires_at,
        message.queued_at,
        flags_of(message) | (TEXT if text is not None else 0),
        HEAD.encode(head_of(message)).decode() if message.headers or message.unique or message.content_type != JSON else "{}",
        message.body.hex() if text is None else text,
    ]


def plain_text(body: bytes) -> str | None:
    """The body as text SQLite keeps to the byte; None when it must travel as hex."""
    if b"\0" in body:
        return None
    try:
        return body.decode()
    except UnicodeDecodeError:
        return None


def flags_of(message: Message) -> int:
    return (
        (TRACK if message.track or message.dedupe else 0)
        | (DEDUPE if message.dedupe else 0)
        | (UNIQUE if message.unique else 0)
        | (SKIP if message.order_skip else 0)
    )


def head_of(message: Message) -> Head:
    unique = message.unique
    return Head(message.headers, message.content_type, unique.key if unique else None, unique.ttl_s if unique else None)


def message_of(row: Row) -> Message:
    head = row.head
    return Message(
        row.id,
        row.body.encode() if row.flags & TEXT else bytes.fromhex(row.body),
        head.c,
        head.h,
        row.key,
        PRIORITY_MAX - row.rank,
        row.due_at,
        row.expires_at,
        row.queued_at,
        row.flags & TRACK != 0,
        row.flags & DEDUPE != 0,
        Unique(head.u, head.t) if head.u is not None else None,
        row.flags & SKIP != 0,
    )


def delivery_of(row: Row, queue: str, token: int, alone: bool) -> Delivery:
    return Delivery(message_of(row), queue, (token, row.seq), row.attempt, row.crashes, alone, alone, row.history or ())

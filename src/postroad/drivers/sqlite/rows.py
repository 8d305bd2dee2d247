"""Messages as rows, and back. A batch travels to and from SQLite as one JSON text: one step of one statement, so that
a busy interpreter delays it once and not once a row (claiming 100 row by row beside a busy thread held the lock 384 ms;
as one text 3 us a row). Bodies that are JSON stand in that text as they are: nothing is quoted and unquoted.
"""

from __future__ import annotations

import msgspec

from postroad.core.delivery import Attempt, Delivery
from postroad.core.message import JSON, PRIORITY_MAX, Message, Unique
from postroad.drivers.sqlite.schema import DEDUPE, RAW, SKIP, TRACK, UNIQUE


class Head(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """The parts of an envelope that no statement asks about (but `oldest` for place 1 and redrive for place 2)."""

    headers: dict[str, str] = {}
    queued_at: float = 0.0
    expires_at: float | None = None
    content_type: str | None = None
    unique_key: str | None = None
    unique_ttl_s: float | None = None


class Row(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A message as `ROW` gives it."""

    seq: int
    id: str
    queue: int
    rank: int
    key: str | None
    due_at: float | None
    flags: int
    attempt: int
    crashes: int
    head: Head
    body: msgspec.Raw
    history: tuple[Attempt, ...] | None = None


ROW = (
    "'[' || m.seq || ',' || json_quote(m.id) || ',' || m.queue || ',' || m.rank || ',' || json_quote(m.key) || ',' || "
    "coalesce(m.due_at, 'null') || ',' || m.flags || ',' || m.attempt || ',' || m.crashes || ',' || m.head || ',' || "
    f"CASE WHEN m.flags & {RAW} THEN CAST(m.body AS TEXT) ELSE '\"' || hex(m.body) || '\"' END || ',' || coalesce(m.history, 'null')"
)
"""A JSON array, not yet closed, for whoever adds to it."""

ROWS = msgspec.json.Decoder(list[Row])
HEAD = msgspec.json.Encoder()
SKIP_VALUE = msgspec.json.Decoder(msgspec.Raw)

InsertRow = tuple[str, int, int, str | None, float | None, int, str, str]


def message_row(message: Message, queue: int) -> InsertRow:
    """The values that `publish` inserts, in the order of its statement."""
    text = plain_json(message.body)
    unique = message.unique
    head = Head(
        message.headers,
        message.queued_at,
        message.expires_at,
        None if message.content_type == JSON else message.content_type,
        unique.key if unique is not None else None,
        unique.ttl_s if unique is not None else None,
    )
    flags = flags_of(message)
    return (
        message.id,
        queue,
        PRIORITY_MAX - message.priority,
        message.key,
        message.due_at,
        flags if text is None else flags | RAW,
        HEAD.encode(head).decode(),
        message.body.hex() if text is None else text,
    )


def plain_json(body: bytes) -> str | None:
    """The body as text when the reading decoder takes it for exactly one JSON value; None when it must travel as hex."""
    try:
        if len(memoryview(SKIP_VALUE.decode(body))) == len(body):
            return body.decode()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    return None


def flags_of(message: Message) -> int:
    flags = TRACK if message.track or message.dedupe else 0
    if message.dedupe:
        flags |= DEDUPE
    if message.unique is not None:
        flags |= UNIQUE
    return flags | SKIP if message.order_skip else flags


def message_of(row: Row) -> Message:
    head = row.head
    flags = row.flags
    return Message(
        row.id,
        bytes(row.body) if flags & RAW else bytes.fromhex(bytes(row.body)[1:-1].decode()),
        head.content_type or JSON,
        head.headers,
        row.key,
        PRIORITY_MAX - row.rank,
        row.due_at,
        head.expires_at,
        head.queued_at,
        flags & TRACK != 0,
        flags & DEDUPE != 0,
        None if head.unique_key is None else Unique(head.unique_key, head.unique_ttl_s),
        flags & SKIP != 0,
    )


def delivery_of(row: Row, queue: str, token: int, alone: bool) -> Delivery:
    return Delivery(message_of(row), queue, (token, row.seq), row.attempt, row.crashes, alone, alone, row.history or ())

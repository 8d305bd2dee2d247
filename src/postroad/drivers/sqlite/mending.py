"""Dead letters are changed, taken in from elsewhere, and deleted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from postroad.core.codec import checked_headers
from postroad.core.delivery import Attempt
from postroad.core.message import BODY_BYTES_MAX, Message
from postroad.drivers.sqlite import letters
from postroad.drivers.sqlite.rows import message_row, plain_json
from postroad.drivers.sqlite.schema import RAW
from postroad.drivers.sqlite.session import CHANGE, Session, as_json
from postroad.drivers.sqlite.story import EDITED, trimmed
from postroad.errors import NotFound, TooLarge
from postroad.ports.driver import DeadLetterFilter, DeadLetterRecord

ORIGINAL = "dead-letter-original"
"""Kind of the document that keeps an edited letter as it was; its key is the letter's number."""

OLDEST = (
    "SELECT json_group_array(number) FROM (SELECT d.number FROM dead d WHERE {where} ORDER BY d.number LIMIT :limit)"
)
DELETE = "DELETE FROM dead WHERE number IN (SELECT value FROM json_each(?1))"
DELETE_ORIGINALS = (
    f"DELETE FROM doc WHERE kind = '{ORIGINAL}' AND key IN (SELECT CAST(value AS TEXT) FROM json_each(?1))"
)
KEEP_ORIGINAL = "INSERT INTO doc(kind, key, tag, value, expires_at) VALUES (?, ?, '', ?, NULL) ON CONFLICT DO NOTHING"
EDIT = "UPDATE dead SET body = ?2, flags = ?3, head = json_set(head, '$[0]', json(?4)), history = ?5 WHERE number = ?1"
FLAGS = "SELECT flags FROM dead WHERE number = ?1"
PRESENT = """
SELECT json_group_array(e.key) FROM json_each(?1) e
WHERE EXISTS (SELECT 1 FROM dead d WHERE d.id = e.value->>0 AND d.queue = e.value->>1 AND abs(d.died_at - (e.value->>2)) < 0.001)
"""
IMPORT = """
INSERT INTO dead(id, queue, rank, key, due_at, flags, head, body, attempt, crashes, history,
                 reason, error_type, fingerprint, died_at, worker)
SELECT e.value->>0, e.value->>1, e.value->>2, e.value->>3, NULL, e.value->>5, e.value->>6,
       CASE WHEN e.value->>5 & 16 THEN CAST(e.value->>7 AS BLOB) ELSE unhex(e.value->>7) END,
       e.value->>8, e.value->>9, e.value->>10, e.value->>11, e.value->>12, e.value->>13, e.value->>14, e.value->>15
FROM jsonb_each(?1) e
"""

NUMBERS = msgspec.json.Decoder(list[int])


class Original(msgspec.Struct, frozen=True):
    """An edited letter as it was sent; msgspec writes bytes as base64."""

    body: bytes
    headers: dict[str, str]
    content_type: str
    edited_at: float


def delete(session: Session, which: DeadLetterFilter, limit: int) -> int:
    """Oldest first. Answers how many."""
    conditions, given = letters.where(session, which)
    numbers = session.value(OLDEST.format(where=conditions), {**given, "limit": limit})
    remove(session, numbers)
    return len(NUMBERS.decode(numbers))


def remove(session: Session, numbers: str) -> None:
    """These ([number, …] as JSON), with what was kept for them."""
    session.connection.execute(DELETE_ORIGINALS, (numbers,))
    session.connection.execute(DELETE, (numbers,))
    session.bells |= CHANGE


def edit(session: Session, number: int, body: bytes | None, headers: Mapping[str, str] | None) -> DeadLetterRecord:
    """The letter as it is now. What it was sent as is kept as long as the letter is. Raises NotFound, TooLarge."""
    letter = one(session, number)
    was = letter.message
    now_is = msgspec.structs.replace(
        was,
        body=was.body if body is None else body,
        headers=was.headers if headers is None else checked_headers(headers),
    )
    changed = [name for name in ("body", "headers") if getattr(now_is, name) != getattr(was, name)]
    if not changed:
        return letter
    check_size(now_is)
    keep_original(session, number, was)
    now = session.clock()
    record = Attempt(EDITED, error=f"{' and '.join(changed)} changed", started_at=now, ended_at=now)
    store(session, number, now_is, as_json(trimmed([*letter.history, record])))
    return one(session, number)


def one(session: Session, number: int) -> DeadLetterRecord:
    found = letters.find(session, DeadLetterFilter(number=number), 1, None)
    if not found:
        raise NotFound(
            f"There is no dead letter {number}: it was redriven or deleted, or never was. 'postroad dead-letters list' shows those "
            "there are."
        )
    return found[0]


def check_size(message: Message) -> None:
    if len(message.body) > BODY_BYTES_MAX:
        raise TooLarge(
            f"The new body has {len(message.body):,} bytes, over the limit of {BODY_BYTES_MAX:,}: put the data in a file or "
            "a store, and its name in the message."
        )


def keep_original(session: Session, number: int, message: Message) -> None:
    """Of several edits the first: what it was sent as."""
    original = Original(message.body, message.headers, message.content_type, session.clock())
    session.connection.execute(KEEP_ORIGINAL, (ORIGINAL, str(number), as_json(original)))


def store(session: Session, number: int, message: Message, history: str) -> None:
    flags = session.value(FLAGS, (number,)) & ~RAW
    if plain_json(message.body) is not None:
        flags |= RAW
    session.connection.execute(EDIT, (number, message.body, flags, as_json(message.headers), history))
    session.bells |= CHANGE


def take_in(session: Session, records: Sequence[DeadLetterRecord]) -> int:
    """Those that are not there, under new numbers, the first that died first, whatever the order they come in: so letters
    of one key are redriven in theirs. Raises NotFound for a source that is not declared."""
    records = sorted(records, key=lambda record: (record.died_at, record.number))
    new = not_there(session, {identity(session, record): record for record in records})
    if new:
        session.connection.execute(IMPORT, (as_json([import_row(session, record) for record in new]),))
        session.bells |= CHANGE
    return len(new)


def identity(session: Session, record: DeadLetterRecord) -> tuple[str, int, float]:
    return record.message.id, session.queue_number(record.source), round(record.died_at, 3)


def not_there(session: Session, records: Mapping[tuple[str, int, float], DeadLetterRecord]) -> list[DeadLetterRecord]:
    """Times are compared to the millisecond: SQLite writes 15 digits of them."""
    asked = [(id, queue, record.died_at) for (id, queue, _died_at), record in records.items()]
    present = set(NUMBERS.decode(session.value(PRESENT, (as_json(asked),))))
    return [record for place, record in enumerate(records.values()) if place not in present]


def import_row(session: Session, record: DeadLetterRecord) -> list[object]:
    """The values of the message as `publish` inserts them, and of the death."""
    return [
        *message_row(record.message, session.queue_number(record.source)),
        record.attempt,
        record.crashes,
        as_json(trimmed(record.history)) if record.history else None,
        record.reason,
        record.error_type,
        record.fingerprint,
        record.died_at,
        record.worker,
    ]

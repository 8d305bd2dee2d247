"""The store: documents by kind and key."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from postroad.core.writes import Absent, Committed, Condition, Conflict, Document, Put, Write
from postroad.drivers.sqlite.session import CHANGE, Session, as_json

PUT = """
INSERT INTO doc(kind, key, tag, value, expires_at)
SELECT e.value->>0, e.value->>1, e.value->>2, e.value->>3, e.value->>4 FROM jsonb_each(?1) e WHERE true
ON CONFLICT(kind, key) DO UPDATE SET tag = excluded.tag, value = excluded.value, expires_at = excluded.expires_at
"""
DELETE = "DELETE FROM doc WHERE (kind, key) IN (SELECT e.value->>0, e.value->>1 FROM jsonb_each(?1) e)"
TAG = "SELECT tag FROM doc WHERE kind = ? AND key = ? AND (expires_at IS NULL OR expires_at > ?)"
GET = """
SELECT json_group_array(json_array(d.kind, d.key, d.value, d.tag, d.expires_at)) FROM json_each(?2) e
CROSS JOIN doc d ON d.kind = ?1 AND d.key = e.value WHERE d.expires_at IS NULL OR d.expires_at > ?3
"""
SCAN = """
SELECT json_group_array(json_array(kind, key, value, tag, expires_at)) FROM (
  SELECT * FROM doc WHERE kind = ?1 AND key < ?2 AND (?3 IS NULL OR tag = ?3) AND (expires_at IS NULL OR expires_at > ?5)
  ORDER BY key DESC LIMIT ?4)
"""
KEY_MAX = "\U0010ffff"
SWEEP = "DELETE FROM doc WHERE (kind, key) IN (SELECT kind, key FROM doc WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2)"


PutRow = tuple[str, str, str, str, float | None]


class DocumentRow(msgspec.Struct, frozen=True, array_like=True):
    kind: str
    key: str
    value: str
    tag: str
    expires_at: float | None


ROWS = msgspec.json.Decoder(list[DocumentRow])


def apply(session: Session, writes: Sequence[Write]) -> None:
    """All of them, in two statements at most; of several writes to one document the last counts."""
    if not writes:
        return
    puts, deletes = last_words(writes)
    if puts:
        session.connection.execute(PUT, (as_json(puts),))
    if deletes:
        session.connection.execute(DELETE, (as_json(deletes),))
    session.bells |= CHANGE


def last_words(writes: Sequence[Write]) -> tuple[list[PutRow], list[tuple[str, str]]]:
    """The rows of PUT and those of DELETE."""
    last = {(write.kind, write.key): write for write in writes}
    puts = [(w.kind, w.key, w.tag, w.value, w.expires_at) for w in last.values() if isinstance(w, Put)]
    return puts, [(w.kind, w.key) for w in last.values() if not isinstance(w, Put)]


def commit(session: Session, writes: Sequence[Write], require: Sequence[Condition]) -> Committed | Conflict:
    for condition in require:
        if not holds(session, condition):
            return Conflict(condition)
    apply(session, writes)
    return Committed()


def holds(session: Session, condition: Condition) -> bool:
    tag = session.value(TAG, (condition.kind, condition.key, session.clock()))
    return tag is None if isinstance(condition, Absent) else tag in condition.tags


def get(session: Session, kind: str, keys: Sequence[str]) -> list[Document]:
    return read(session.value(GET, (kind, as_json(list(keys)), session.clock())))


def scan(session: Session, kind: str, tag: str | None, before: str | None, limit: int) -> list[Document]:
    return read(session.value(SCAN, (kind, before or KEY_MAX, tag, limit, session.clock())))


def read(text: str) -> list[Document]:
    return [Document(row.kind, row.key, row.value, row.tag, row.expires_at) for row in ROWS.decode(text)]

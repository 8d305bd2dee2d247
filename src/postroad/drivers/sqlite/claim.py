"""Taking messages: what is due becomes ready, what is ready becomes leased; the bodies are read after the lock is gone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from postroad.core.delivery import Delivery
from postroad.drivers.sqlite import lanes
from postroad.drivers.sqlite.rows import ROW, ROWS, Row, delivery_of
from postroad.drivers.sqlite.session import Session, as_json

DUE_MAX = 1000

TAKE = """
INSERT INTO leased(token, seq, queue, rank, holder, alone)
SELECT ?1, seq, queue, rank, ?2, 0 FROM ready WHERE queue = ?3 ORDER BY rank, seq LIMIT ?4
"""
TAKEN = "DELETE FROM ready WHERE (queue, rank, seq) IN (SELECT queue, rank, seq FROM leased WHERE token = ?1 AND queue = ?2)"
TAKE_SUSPECT = """
INSERT INTO leased(token, seq, queue, rank, holder, alone)
SELECT ?1, s.seq, s.queue, m.rank, ?2, 1 FROM suspect s JOIN message m ON m.seq = s.seq
WHERE s.queue IN (SELECT value FROM json_each(?3)) ORDER BY s.seq LIMIT 1
"""
SUSPECT_TAKEN = "DELETE FROM suspect WHERE seq IN (SELECT seq FROM leased WHERE token = ?1)"

DUE = "SELECT json_group_array(seq) FROM (SELECT seq FROM due WHERE due_at <= ?1 ORDER BY due_at, seq LIMIT ?2)"
DUE_READY = """
INSERT INTO ready SELECT m.queue, m.rank, m.seq FROM json_each(?1) e JOIN message m ON m.seq = e.value
WHERE m.key IS NULL OR EXISTS (SELECT 1 FROM lane l WHERE l.queue = m.queue AND l.key = m.key AND l.seq = m.seq)
"""
DUE_KEYED = "SELECT EXISTS (SELECT 1 FROM json_each(?1) e JOIN message m ON m.seq = e.value WHERE m.key IS NOT NULL)"
DUE_GONE = "DELETE FROM due WHERE due_at <= ?1 AND seq IN (SELECT value FROM json_each(?2))"

LOOK = """SELECT EXISTS (SELECT 1 FROM json_each(?1) e JOIN ready r ON r.queue = e.value),
       EXISTS (SELECT 1 FROM suspect WHERE queue IN (SELECT value FROM json_each(?1))),
       (SELECT min(due_at) FROM due), EXISTS (SELECT 1 FROM cancel)
"""
CANCELLED = "SELECT id FROM cancel"
FETCH = f"""
SELECT (SELECT '[' || coalesce(group_concat({ROW} || ']'), '') || ']' FROM leased l JOIN message m ON m.seq = l.seq WHERE l.token = ?2),
{LOOK.removeprefix("SELECT")}
"""


class Waiting(msgspec.Struct, frozen=True):
    """What there is for these queues, read without the lock. ``next_due``: wall seconds of the next delayed message."""

    ready: bool
    suspects: bool
    next_due: float | None
    cancels: bool


def look(session: Session, numbers: Sequence[int]) -> Waiting:
    ((ready, suspects, next_due, cancels),) = session.connection.execute(LOOK, (as_json(numbers),))
    return Waiting(bool(ready), bool(suspects), next_due, bool(cancels))


def fetch_and_look(
    session: Session, numbers: Sequence[int], token: int, alone: bool
) -> tuple[tuple[Delivery, ...], Waiting]:
    """The messages leased under this token, and what else there is; one step, for each is another fight for the interpreter."""
    ((text, ready, suspects, next_due, cancels),) = session.connection.execute(FETCH, (as_json(numbers), token))
    return deliveries(session, text, token, alone), Waiting(bool(ready), bool(suspects), next_due, bool(cancels))


def promote_due(session: Session, now: float) -> None:
    """Delayed messages whose time has come are ready, or join their lanes again. At most DUE_MAX a call."""
    due = session.value(DUE, (now, DUE_MAX))
    if due == "[]":
        return
    session.connection.execute(DUE_READY, (due,))
    if session.value(DUE_KEYED, (due,)):
        lanes.reenter(session, due)
    session.connection.execute(DUE_GONE, (now, due))


def claim(
    session: Session, numbers: Sequence[int], limit: int, token: int, holder: int, most: Mapping[int, int]
) -> int:
    """Lease up to ``limit`` messages to the holder, from the queues in this order. Answers how many.

    ``most``: for queues of which fewer may be taken, how many.
    """
    left = limit
    for number in numbers:
        if left <= 0:
            break
        session.connection.execute(TAKE, (token, holder, number, min(left, most.get(number, left))))
        taken = session.connection.changes()
        if taken:
            session.connection.execute(TAKEN, (token, number))
            left -= taken
    return limit - left


def claim_suspect(session: Session, numbers: Sequence[int], token: int, holder: int) -> int:
    """Lease one message that must run alone. Answers how many."""
    session.connection.execute(TAKE_SUSPECT, (token, holder, as_json(numbers)))
    taken = session.connection.changes()
    if taken:
        session.connection.execute(SUSPECT_TAKEN, (token,))
    return taken


def deliveries(session: Session, text: str, token: int, alone: bool) -> tuple[Delivery, ...]:
    """In the order of the queue."""
    rows: list[Row] = ROWS.decode(text)
    if len({row.rank for row in rows}) > 1:
        rows.sort(key=lambda row: row.rank)
    names = session.names
    return tuple(delivery_of(row, names.get(row.queue) or session.queue_name(row.queue), token, alone) for row in rows)


def cancelled(session: Session) -> frozenset[str]:
    """Ids whose handlers are not to start. Few: a mark goes when its message does."""
    return frozenset(row[0] for row in session.connection.execute(CANCELLED))

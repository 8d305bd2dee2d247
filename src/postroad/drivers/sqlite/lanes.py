"""Order by key. Of a lane (one key of one queue) only the head is in `ready`; the rest waits in `follower`.

A lane has a row in `lane` while one of its messages is ready, due or leased: its head. Skipping blocked keys while
claiming would cost a scan of the backlog under the lock (16.9 ms at 100,000 when tried); so the head is chosen when
the one before it ends.
"""

from __future__ import annotations

from postroad.drivers.sqlite.session import WORK, Session, as_json

ENTER = (
    "INSERT INTO follower SELECT queue, key, seq FROM message WHERE seq >= ?1 AND key IS NOT NULL AND due_at IS NULL"
)
ENTERED = (
    "SELECT json_group_array(json_array(queue, key)) FROM "
    "(SELECT DISTINCT queue, key FROM message WHERE seq >= ?1 AND key IS NOT NULL AND due_at IS NULL)"
)
HEADS = """
INSERT INTO lane(queue, key, seq)
SELECT e.value->>0, e.value->>1,
       (SELECT f.seq FROM follower f WHERE f.queue = e.value->>0 AND f.key = e.value->>1 ORDER BY f.seq LIMIT 1) AS head
FROM jsonb_each(?1) e
WHERE head IS NOT NULL AND NOT EXISTS (SELECT 1 FROM lane l WHERE l.queue = e.value->>0 AND l.key = e.value->>1)
"""
READY_HEADS = """
INSERT INTO ready SELECT m.queue, m.rank, m.seq FROM jsonb_each(?1) e
JOIN lane l ON l.queue = e.value->>0 AND l.key = e.value->>1
JOIN follower f ON f.queue = l.queue AND f.key = l.key AND f.seq = l.seq JOIN message m ON m.seq = l.seq
"""
LEAVE_FOLLOWERS = """
DELETE FROM follower WHERE (queue, key, seq) IN
(SELECT l.queue, l.key, l.seq FROM jsonb_each(?1) e JOIN lane l ON l.queue = e.value->>0 AND l.key = e.value->>1)
"""
LEAVE = "DELETE FROM lane WHERE (queue, key) IN (SELECT e.value->>0, e.value->>1 FROM jsonb_each(?1) e)"
DUE_SINCE = """
SELECT json_group_array(json_array(m.queue, m.key)) FROM (SELECT DISTINCT m.queue, m.key FROM message m
JOIN json_each(?1) e ON m.seq = e.value WHERE m.key IS NOT NULL) m
"""
REENTER = """
INSERT INTO follower SELECT m.queue, m.key, m.seq FROM json_each(?1) e JOIN message m ON m.seq = e.value
WHERE m.key IS NOT NULL AND NOT EXISTS (SELECT 1 FROM lane l WHERE l.queue = m.queue AND l.key = m.key AND l.seq = m.seq)
"""

Lane = tuple[int, str]


def enter_since(session: Session, first: int) -> None:
    """New keyed messages from this number on join their lanes; idle lanes get their heads."""
    session.connection.execute(ENTER, (first,))
    choose_heads(session, session.value(ENTERED, (first,)))


def choose_heads(session: Session, lanes: str) -> None:
    """Lanes ([[queue, key], …] as JSON) without a head get their first follower, which becomes ready."""
    session.connection.execute(HEADS, (lanes,))
    if session.connection.changes():
        session.connection.execute(READY_HEADS, (lanes,))
        session.connection.execute(LEAVE_FOLLOWERS, (lanes,))
        session.bells |= WORK


def leave(session: Session, lanes: set[Lane]) -> None:
    """The heads of these lanes have ended (or step aside): the next ones become ready."""
    text = as_json(list(lanes))
    session.connection.execute(LEAVE, (text,))
    choose_heads(session, text)


def reenter(session: Session, seqs: str) -> None:
    """Messages ([seq, …] as JSON) that are due now and head no lane join theirs again, before those sent later."""
    session.connection.execute(REENTER, (seqs,))
    choose_heads(session, session.value(DUE_SINCE, (seqs,)))

"""Messages that nobody holds leave from wherever they wait."""

from __future__ import annotations

from postroad.drivers.sqlite import lanes
from postroad.drivers.sqlite.session import CHANGE, Session

KEYED = """
SELECT DISTINCT m.queue, m.key FROM json_each(?1) e JOIN message m ON m.seq = e.value
JOIN lane l ON l.queue = m.queue AND l.key = m.key AND l.seq = m.seq
"""
REMOVALS = (
    "DELETE FROM ready WHERE (queue, rank, seq) IN (SELECT queue, rank, seq FROM message WHERE seq IN (SELECT value FROM json_each(?1)))",
    "DELETE FROM due WHERE (due_at, seq) IN (SELECT due_at, seq FROM message WHERE seq IN (SELECT value FROM json_each(?1)))",
    "DELETE FROM suspect WHERE (queue, seq) IN (SELECT queue, seq FROM message WHERE seq IN (SELECT value FROM json_each(?1)))",
    "DELETE FROM follower WHERE (queue, key, seq) IN (SELECT queue, key, seq FROM message WHERE seq IN (SELECT value FROM json_each(?1)))",
    "DELETE FROM claimed_key WHERE until IS NULL AND (key, id) IN "
    "(SELECT head ->> 4, id FROM message WHERE seq IN (SELECT value FROM json_each(?1)))",
    "DELETE FROM message WHERE seq IN (SELECT value FROM json_each(?1))",
)


def remove_waiting(session: Session, seqs: str) -> None:
    """Messages nobody holds leave; lanes they headed go on."""
    headed = set(session.connection.execute(KEYED, (seqs,)))
    for statement in REMOVALS:
        session.connection.execute(statement, (seqs,))
    if headed:
        lanes.leave(session, headed)
    session.bells |= CHANGE

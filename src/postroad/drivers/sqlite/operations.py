"""Acts of an operator, each one transaction."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from postroad.core.writes import Write
from postroad.drivers.sqlite import documents, lanes
from postroad.drivers.sqlite.inspection import DEAD_WHERE, dead_bindings
from postroad.drivers.sqlite.removal import remove_waiting
from postroad.drivers.sqlite.session import CHANGE, WORK, Session, as_json
from postroad.ports.driver import DeadLetterFilter

SEQS_OF_IDS = """
SELECT json_group_array(m.seq) FROM json_each(?1) e CROSS JOIN message m ON m.id = e.value WHERE m.flags & 1
"""
SEQS_OF_IDS_SCAN = "SELECT json_group_array(m.seq) FROM message m WHERE m.id IN (SELECT value FROM json_each(?1))"
WAITING = """
SELECT json_group_array(m.seq) FROM json_each(?2) e CROSS JOIN message m ON m.seq = e.value
WHERE m.id IN (SELECT value FROM json_each(?1)) AND m.seq NOT IN (SELECT seq FROM leased)
"""
HELD_IDS = """
SELECT json_group_array(m.id) FROM leased l JOIN message m ON m.seq = l.seq WHERE m.id IN (SELECT value FROM json_each(?1))
"""
IDS_OF = "SELECT json_group_array(id) FROM message WHERE seq IN (SELECT value FROM json_each(?1))"
MARK = "INSERT OR REPLACE INTO cancel SELECT value, ?2, ?3 FROM json_each(?1)"
PURGED = """
SELECT json_group_array(seq) FROM (SELECT seq FROM message m WHERE queue = ?1
AND m.seq NOT IN (SELECT seq FROM leased) ORDER BY m.seq LIMIT ?2)
"""

CHOSEN_DEAD = (
    f"SELECT json_group_array(number) FROM (SELECT d.number FROM dead d WHERE {DEAD_WHERE} ORDER BY d.number LIMIT ?6)"
)
REDRIVE = """
INSERT INTO message(seq, id, queue, rank, key, flags, attempt, crashes, head, body, history)
SELECT ?2 + row_number() OVER (ORDER BY d.number) - 1, d.id, d.queue, d.rank, d.key, d.flags, 1, 0,
       json_set(d.head, '$[2]', NULL), d.body, d.history FROM json_each(?1) e JOIN dead d ON d.number = e.value
"""
REDRIVE_READY = "INSERT INTO ready SELECT queue, rank, seq FROM message WHERE seq >= ?1 AND key IS NULL"
FORGET = """
DELETE FROM doc WHERE kind IN (SELECT value FROM json_each(?2))
AND key IN (SELECT d.id FROM json_each(?1) e JOIN dead d ON d.number = e.value)
"""
DELETE_DEAD = "DELETE FROM dead WHERE number IN (SELECT value FROM json_each(?1))"

NUMBERS = msgspec.json.Decoder(list[int])
IDS = msgspec.json.Decoder(list[str])


def find_seqs(session: Session, ids: Sequence[str]) -> str:
    """[seq, …] as JSON. Ids that are not tracked are looked for in the whole file: not under the lock, please."""
    text = as_json(list(ids))
    seqs = str(session.value(SEQS_OF_IDS, (text,)))
    return seqs if len(NUMBERS.decode(seqs)) == len(set(ids)) else str(session.value(SEQS_OF_IDS_SCAN, (text,)))


def cancel(session: Session, ids: Sequence[str], found: str, reason: str, writes: Sequence[Write]) -> list[str]:
    """Waiting ones go, with the writes that bear their ids; held ones are marked. Answers the ids that were there.

    ``found``: what `find_seqs` said of these ids a moment ago.
    """
    text = as_json(list(ids))
    seqs = session.value(WAITING, (text, found))
    gone: list[str] = IDS.decode(session.value(IDS_OF, (seqs,)))
    held: list[str] = IDS.decode(session.value(HELD_IDS, (text,)))
    if gone:
        documents.apply(session, [write for write in writes if write.key in set(gone)])
        remove_waiting(session, seqs)
    if held:
        session.connection.execute(MARK, (as_json(held), reason, session.clock()))
        session.bells |= WORK
    return gone + held


def purge(session: Session, queue: str, limit: int) -> int:
    """What waits in the queue goes, oldest first; what is held stays with its holder."""
    seqs = session.value(PURGED, (session.queue_number(queue), limit))
    if seqs != "[]":
        remove_waiting(session, seqs)
    return len(NUMBERS.decode(seqs))


def redrive(session: Session, which: DeadLetterFilter, limit: int, forget: Sequence[str]) -> int:
    """Dead letters go back to their queues, oldest first, with their history, attempts and crashes at zero.

    ``forget``: kinds of documents about them that are no longer true.
    """
    numbers = session.value(CHOSEN_DEAD, (*dead_bindings(session, which), limit))
    count = len(NUMBERS.decode(numbers))
    if not count:
        return 0
    first = session.bump("seq", count) - count + 1
    session.connection.execute(REDRIVE, (numbers, first))
    session.connection.execute(REDRIVE_READY, (first,))
    lanes.enter_since(session, first)
    session.connection.execute(FORGET, (numbers, as_json(list(forget))))
    session.connection.execute(DELETE_DEAD, (numbers,))
    session.bells |= WORK | CHANGE
    return count


def delete_dead(session: Session, which: DeadLetterFilter, limit: int) -> int:
    numbers = session.value(CHOSEN_DEAD, (*dead_bindings(session, which), limit))
    session.connection.execute(DELETE_DEAD, (numbers,))
    return len(NUMBERS.decode(numbers))

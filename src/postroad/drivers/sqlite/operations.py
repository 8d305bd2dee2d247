"""Acts of an operator, each one transaction."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from postroad.core.topology import Change, Queue, Topology, change_for
from postroad.core.writes import Write
from postroad.drivers.sqlite import documents, lanes
from postroad.drivers.sqlite.inspection import DEAD_WHERE, dead_bindings
from postroad.drivers.sqlite.session import CHANGE, WORK, Session, as_json
from postroad.errors import NotSupported, TopologyConflict
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


def remove_waiting(session: Session, seqs: str) -> None:
    """Messages nobody holds leave; lanes they headed go on."""
    headed = set(session.connection.execute(KEYED, (seqs,)))
    for statement in REMOVALS:
        session.connection.execute(statement, (seqs,))
    if headed:
        lanes.leave(session, headed)
    session.bells |= CHANGE


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


def present_queue(session: Session, name: str) -> Queue | None:
    declared = session.value("SELECT declared FROM queue WHERE name = ?", (name,))
    return None if declared is None else msgspec.json.decode(declared, type=Queue)


def plan(session: Session, topology: Topology) -> list[Change]:
    changes = (change_for(queue, present_queue(session, queue.name)) for queue in topology.queues)
    return [change for change in changes if change is not None]


def apply(session: Session, changes: Sequence[Change]) -> None:
    """Create what is new. Raises TopologyConflict when something stands there otherwise."""
    conflicts = [change.words for change in changes if change.action == "conflict"]
    if conflicts:
        raise TopologyConflict(
            f"{'; '.join(conflicts)}. Declare it alike everywhere, or under another name; 'postroad topology plan' shows all of it."
        )
    for change in changes:
        refuse_unbuilt(change.queue)
        create(session, change.queue)
    session.load_queues()


def refuse_unbuilt(queue: Queue) -> None:
    """Nothing is declared and then not kept."""
    declared = [name for name in ("max_length", "overflow", "ttl_s", "priority_max") if getattr(queue, name)]
    if declared:
        raise NotSupported(f"queue {queue.name!r}: {', '.join(declared)}: not built yet. Declare the queue without.")


def create(session: Session, queue: Queue) -> None:
    """Another process may have been quicker: then it must have said the same."""
    session.connection.execute(
        "INSERT INTO queue(name, declared) VALUES (?, ?) ON CONFLICT(name) DO NOTHING", (queue.name, as_json(queue))
    )
    change = change_for(queue, present_queue(session, queue.name))
    if change is not None:
        raise TopologyConflict(f"{change.words}. Declare it alike everywhere, or under another name.")

"""Acts of an operator, each one transaction."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from postroad.core.writes import Write
from postroad.drivers.sqlite import documents
from postroad.drivers.sqlite.bounds import OLDEST
from postroad.drivers.sqlite.removal import remove_waiting
from postroad.drivers.sqlite.session import WORK, Session, as_json

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
    seqs = session.value(OLDEST, (session.queue_number(queue), limit))
    if seqs != "[]":
        remove_waiting(session, seqs)
    return len(NUMBERS.decode(seqs))

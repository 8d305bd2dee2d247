"""Who takes from which queue: temporary queues go with the process that takes from them, exclusive ones have but one.

A holder's row says what it takes from; `queue.owner` is the holder that an exclusive queue belongs to, or on whose end a
temporary one goes (unless another living holder takes from it too: then that one is its owner).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from postroad.core.topology import Queue
from postroad.drivers.sqlite.deletion import remove_queue
from postroad.drivers.sqlite.session import Session, as_json
from postroad.drivers.sqlite.takers import lives, takers
from postroad.errors import QueueExclusive

UNOWNED_KEPT_S = 60.0

OWNED = "SELECT id, declared FROM queue WHERE owner = ?"
OWNER = """
SELECT h.id, h.name, h.pid FROM queue q JOIN holder h ON h.id = q.owner WHERE q.id = ?
"""
TAKES = "SELECT queues FROM holder WHERE id = ?"
ORPHANS = """
SELECT q.id FROM queue q WHERE q.declared ->> 'temporary' AND q.created_at <= ?1
AND NOT EXISTS (SELECT 1 FROM holder h WHERE h.id = q.owner)
"""
QUEUE = msgspec.json.Decoder(Queue)
NAMES = msgspec.json.Decoder(list[str])


def join(session: Session, folder: Path | None, holder: int, queues: Sequence[str]) -> None:
    """This holder takes from these queues from now on. Raises NotFound; QueueExclusive when another one has it alone."""
    for name in queues:
        number = session.queue_number(name)
        declared = QUEUE.decode(session.value("SELECT declared FROM queue WHERE id = ?", (number,)))
        if declared.exclusive:
            refuse_second(session, folder, holder, name, number)
        if declared.exclusive or declared.temporary:
            session.connection.execute("UPDATE queue SET owner = ? WHERE id = ?", (holder, number))
    names = list(dict.fromkeys([*NAMES.decode(session.value(TAKES, (holder,))), *queues]))
    session.connection.execute("UPDATE holder SET queues = ? WHERE id = ?", (as_json(names), holder))


def refuse_second(session: Session, folder: Path | None, holder: int, name: str, number: int) -> None:
    for other, seat, pid in session.rows(OWNER, (number,)):
        if other != holder and lives(folder, seat):
            raise QueueExclusive(
                f"Queue {name!r} is exclusive, and process {pid} takes from it. Stop that one (of one worker, start one child: "
                "-p 1), or declare the queue without exclusive=True."
            )


def leave(session: Session, folder: Path | None, holder: int, queues: Iterable[str] | None = None) -> None:
    """The holder takes from these (None: from all it took from) no more. Temporary queues that nobody else takes from go."""
    taken = NAMES.decode(session.value(TAKES, (holder,)) or "[]")
    gone = set(taken if queues is None else queues)
    session.connection.execute(
        "UPDATE holder SET queues = ? WHERE id = ?", (as_json([name for name in taken if name not in gone]), holder)
    )
    for number, declared in session.rows(OWNED, (holder,)):
        queue = QUEUE.decode(declared)
        if queue.name in gone:
            pass_on(session, folder, number, queue)


def pass_on(session: Session, folder: Path | None, number: int, queue: Queue) -> None:
    """To another that takes from it."""
    others = takers(session, folder, queue.name)
    if others or not queue.temporary:
        heir = others[0][0] if others and queue.temporary else None
        session.connection.execute("UPDATE queue SET owner = ? WHERE id = ?", (heir, number))
    else:
        remove_queue(session, number, queue.name)


def leave_by_name(session: Session, folder: Path | None, seat: str) -> None:
    """The holder of this seat is dead."""
    holder = session.value("SELECT id FROM holder WHERE name = ?", (seat,))
    if holder is not None:
        leave(session, folder, holder)


def orphans(session: Session) -> list[int]:
    """Temporary queues that nobody ever took from, or whose owner is forgotten."""
    return [number for (number,) in session.rows(ORPHANS, (session.clock() - UNOWNED_KEPT_S,))]


def remove_orphans(session: Session) -> int:
    found = orphans(session)
    for number in found:
        remove_queue(session, number, session.queue_name(number))
    return len(found)

"""Queues go with all that is in them, exchanges and queues with all that leads to them."""

from __future__ import annotations

from pathlib import Path

from postroad.core.topology import Binding, binding_key
from postroad.drivers.sqlite import mending
from postroad.drivers.sqlite.session import Session, nearest
from postroad.drivers.sqlite.takers import takers
from postroad.drivers.sqlite.topology import changed
from postroad.errors import NotFound, UsageError

SEQS = """
SELECT json_group_array(seq) FROM (
  SELECT seq FROM ready WHERE queue = ?1 UNION ALL SELECT seq FROM follower WHERE queue = ?1
  UNION ALL SELECT seq FROM due WHERE queue = ?1 UNION ALL SELECT seq FROM suspect WHERE queue = ?1
  UNION ALL SELECT seq FROM leased WHERE queue = ?1)
"""
KEYS = (
    "DELETE FROM claimed_key WHERE until IS NULL AND (key, id) IN "
    "(SELECT head ->> 4, id FROM message WHERE seq IN (SELECT value FROM json_each(?1)))"
)
MESSAGES = "DELETE FROM message WHERE seq IN (SELECT value FROM json_each(?1))"
REST = "DELETE FROM {table} WHERE queue = ?1"
FREE_BINDINGS = "DELETE FROM binding WHERE target = ?1 AND to_exchange = ?2 OR exchange = ?1 AND ?2"
LETTERS = "SELECT json_group_array(number) FROM dead WHERE queue = ?1"
TABLES = ("ready", "follower", "due", "suspect", "leased", "lane", "inbox")


def check_unused(folder: Path | None, name: str, session: Session) -> int:
    """The queue's number. Raises NotFound, and UsageError while a living process takes from it."""
    session.freshen()
    number = session.queue_number(name)
    using = takers(session, folder, name)
    if using:
        pids = ", ".join(str(pid) for _holder, _seat, pid in using)
        raise UsageError(
            f"Queue {name!r} is being taken from, by process {pids}: stop that first, then delete the queue."
        )
    return number


def delete_queue(folder: Path | None, name: str, session: Session) -> int:
    """Answers how many messages went with it."""
    return remove_queue(session, check_unused(folder, name, session), name)


def remove_queue(session: Session, number: int, name: str) -> int:
    """Answers how many messages went with it."""
    seqs = session.value(SEQS, (number,))
    session.connection.execute(KEYS, (seqs,))
    session.connection.execute(MESSAGES, (seqs,))
    count = int(session.connection.changes())
    mending.remove(session, session.value(LETTERS, (number,)))
    for table in TABLES:
        session.connection.execute(REST.format(table=table), (number,))
    session.connection.execute("DELETE FROM queue WHERE id = ?", (number,))
    session.connection.execute("DELETE FROM counter WHERE name = ?", (f"published:{number}",))
    session.connection.execute(FREE_BINDINGS, (name, 0))
    changed(session)
    return count


def delete_exchange(session: Session, name: str) -> None:
    """With its bindings, to and from. Raises NotFound."""
    session.connection.execute("DELETE FROM exchange WHERE name = ?", (name,))
    if not session.connection.changes():
        known = [str(row[0]) for row in session.rows("SELECT name FROM exchange")]
        raise NotFound(f"There is no exchange {name!r}{nearest(name, known)} 'postroad topology export' shows all.")
    session.connection.execute(FREE_BINDINGS, (name, 1))
    changed(session)


def unbind(session: Session, binding: Binding) -> bool:
    """False when it was not there."""
    session.connection.execute("DELETE FROM binding WHERE declared = ?", (binding_key(binding).decode(),))
    gone = bool(session.connection.changes())
    if gone:
        changed(session)
    return gone

"""What a dead holder held.

Its start slots say what was running: those are charged one crash and become suspects, which run alone until one is
convicted. The rest goes back uncounted, to the place it had. When the slots cannot be had (the machine was restarted),
all it held is suspect and nothing is charged.
"""

from __future__ import annotations

from postroad.core.delivery import ATTEMPTS_KEPT, Attempt
from postroad.drivers.sqlite.session import WORK, Session, as_json

HOLDER = "SELECT id FROM holder WHERE name = ?1"
COUNT = "SELECT count(*) FROM leased WHERE holder = ?1"
CHARGE = """
UPDATE message SET crashes = crashes + 1, history = (
  SELECT json_group_array(json(value)) FROM (
    SELECT value FROM (SELECT key, value FROM json_each(coalesce(message.history, '[]'))
                       UNION ALL SELECT 1000000, ?3 ORDER BY key DESC LIMIT ?4) ORDER BY key))
WHERE seq IN (SELECT l.seq FROM json_each(?2) e JOIN leased l ON l.token = e.value AND l.seq = CAST(e.key AS INTEGER)
              WHERE l.holder = ?1 AND l.alone = 0)
"""
SUSPECT_RUNNING = """
INSERT INTO suspect SELECT l.queue, l.seq FROM json_each(?2) e
JOIN leased l ON l.token = e.value AND l.seq = CAST(e.key AS INTEGER) WHERE l.holder = ?1 AND l.alone = 0
"""
SUSPECT_ALL = "INSERT INTO suspect SELECT queue, seq FROM leased WHERE holder = ?1 AND alone = 0"
SUSPECT_AGAIN = "INSERT INTO suspect SELECT queue, seq FROM leased WHERE holder = ?1 AND alone > 0"
GIVE_BACK = """
INSERT INTO ready SELECT l.queue, l.rank, l.seq FROM leased l WHERE l.holder = ?1 AND l.alone = 0
AND (l.token, l.seq) NOT IN (SELECT e.value, CAST(e.key AS INTEGER) FROM json_each(?2) e)
"""
UNCHARGE = (
    "UPDATE message SET crashes = crashes - 1 WHERE seq IN (SELECT seq FROM leased WHERE holder = ?1 AND alone = 2)"
)
UNLEASE = "DELETE FROM leased WHERE holder = ?1"
FORGET = "DELETE FROM holder WHERE id = ?1"


def recover(session: Session, name: str, running: list[tuple[int, int]] | None, how: str, worker: str) -> int:
    """Take back all that this holder has, and forget it. ``running``: (token, seq) of its slots; None: not to be had.

    Answers how many messages came back. Nothing happens when another process was quicker.
    """
    holder = session.value(HOLDER, (name,))
    if holder is None:
        return 0
    count = int(session.value(COUNT, (holder,)))
    if count:
        give_back(session, holder, running, how, worker)
    session.connection.execute(FORGET, (holder,))
    return count


def give_back(session: Session, holder: int, running: list[tuple[int, int]] | None, how: str, worker: str) -> None:
    session.connection.execute(SUSPECT_AGAIN, (holder,))
    if running is None:
        session.connection.execute(SUSPECT_ALL, (holder,))
    else:
        started = as_json({str(seq): token for token, seq in running})
        session.connection.execute(CHARGE, (holder, started, crash_record(session, how, worker), ATTEMPTS_KEPT))
        session.connection.execute(SUSPECT_RUNNING, (holder, started))
        session.connection.execute(GIVE_BACK, (holder, started))
    session.connection.execute(UNLEASE, (holder,))
    session.bump("recovered", 1)
    session.bells |= WORK


def crash_record(session: Session, how: str, worker: str) -> str:
    now = session.clock()
    return as_json(Attempt("crash", "WorkerCrashed", how, "", now, now, worker))


def give_back_uncounted(session: Session, holder: int) -> int:
    """A holder that goes in good order returns all it has, to the place it had; a suspect's start is no crash then."""
    count = int(session.value(COUNT, (holder,)))
    if count:
        session.connection.execute(UNCHARGE, (holder,))
        session.connection.execute(SUSPECT_AGAIN, (holder,))
        session.connection.execute(GIVE_BACK, (holder, "{}"))
        session.connection.execute(UNLEASE, (holder,))
        session.bells |= WORK
    return count

"""Messages die: they become dead letters, whole, with why; and those who asked for it are told in the same transaction."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from postroad.core.delivery import Attempt, Delivery
from postroad.core.fingerprint import fingerprint
from postroad.core.ids import derived_id
from postroad.core.message import Message
from postroad.core.outcome import Reject, Settlement
from postroad.core.routing import DEAD_LETTERS
from postroad.drivers.sqlite import letters, removal
from postroad.drivers.sqlite.routing import numbers_of
from postroad.drivers.sqlite.session import CHANGE, Session, as_json
from postroad.drivers.sqlite.story import history_text
from postroad.ports.driver import DeadLetterRecord

BURY = """
INSERT INTO dead(id, queue, rank, key, flags, attempt, crashes, head, body, history,
                 reason, error_type, fingerprint, died_at, worker)
SELECT m.id, m.queue, m.rank, m.key, m.flags, e.value->>1, e.value->>2, m.head, m.body, e.value->>3,
       e.value->>4, e.value->>5, e.value->>6, e.value->>7, e.value->>8
FROM jsonb_each(?1) e JOIN message m ON m.seq = e.value->>0
"""
BURY_WAITING = """
INSERT INTO dead(id, queue, rank, key, flags, attempt, crashes, head, body, history,
                 reason, error_type, fingerprint, died_at, worker)
SELECT m.id, m.queue, m.rank, m.key, m.flags, m.attempt, m.crashes, m.head, m.body, m.history, ?2, ?3, p.value, ?5, ''
FROM json_each(?1) e CROSS JOIN message m ON m.seq = e.value JOIN json_each(?4) p ON p.key = m.queue ORDER BY m.seq
"""
QUEUES = "SELECT DISTINCT m.queue FROM json_each(?1) e CROSS JOIN message m ON m.seq = e.value"
NEWEST = "d.number > (SELECT max(number) FROM dead) - :limit"

NOTICE_HEADER = "postroad-dead-letter"
"""Marks a message that tells of a dead letter: when it dies itself, nobody is told."""
OWN_QUEUES = "dead-letters."


def bury(session: Session, rejected: Sequence[Settlement]) -> None:
    """What was rejected becomes a dead letter each; the messages themselves are removed by the caller."""
    now = session.clock()
    rows = [dead_row(s.delivery, s.outcome, now) for s in rejected if isinstance(s.outcome, Reject)]
    session.connection.execute(BURY, (as_json(rows),))
    tell(session, {settlement.delivery.source for settlement in rejected}, len(rows))
    session.bells |= CHANGE


def dead_row(delivery: Delivery, outcome: Reject, now: float) -> list[object]:
    attempt = outcome.attempt or Attempt("error", "", outcome.reason, "", now, now)
    crashed = attempt.kind == "crash"
    return [
        delivery.receipt[1],
        delivery.attempt,
        delivery.crashes + crashed,
        history_text(delivery, outcome.attempt),
        outcome.reason,
        attempt.error_type,
        fingerprint(delivery.source, attempt, outcome.reason),
        now,
        attempt.worker,
    ]


def bury_seqs(session: Session, seqs: str, reason: str, error_type: str) -> int:
    """Messages nobody holds ([seq, …] as JSON) become dead letters, and leave; lanes go on. Answers how many."""
    sources = {int(number): session.queue_name(number) for (number,) in session.rows(QUEUES, (seqs,))}
    attempt = Attempt("error", error_type, reason)
    prints = {str(number): fingerprint(name, attempt, reason) for number, name in sources.items()}
    session.connection.execute(BURY_WAITING, (seqs, reason, error_type, as_json(prints), session.clock()))
    count = int(session.connection.changes())
    if count:
        removal.remove_waiting(session, seqs)
        session.bump("rejected", count)
        tell(session, set(sources.values()), count)
    return count


def tell(session: Session, sources: set[str], count: int) -> None:
    """Of the ``count`` newest letters, those are published that somebody is bound to."""
    session.freshen()
    told = {source for source in sources if is_told_of(session, source)}
    if not told:
        return
    found = letters.records(session, NEWEST, {"limit": count})[::-1]
    publish_notices(session, [letter for letter in found if letter.source in told and not is_notice(letter.message)])


def is_told_of(session: Session, source: str) -> bool:
    return not source.startswith(OWN_QUEUES) and session.routing().has_targets(DEAD_LETTERS, source)


def is_notice(message: Message) -> bool:
    return NOTICE_HEADER in message.headers


def publish_notices(session: Session, found: Sequence[DeadLetterRecord]) -> None:
    """Straight into the queues: a notice is never refused."""
    from postroad.drivers.sqlite import publish  # which makes room by burying: neither can be first

    table = session.routing()
    parcels = []
    for letter in found:
        names = table.route(DEAD_LETTERS, letter.source, {}) or ()
        parcels.append((notice(letter), numbers_of(names, session.directory)))
    publish.insert(session, parcels)


def notice(letter: DeadLetterRecord) -> Message:
    return Message(
        derived_id(f"{letter.message.id} died in {letter.source}", letter.number),
        msgspec.json.encode(letter),
        headers={NOTICE_HEADER: letter.source},
        queued_at=letter.died_at,
    )

"""Outcomes become rows. Every settlement names its lease (token, seq): what is no longer leased so is refused, alone."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from postroad.core.delivery import Delivery
from postroad.core.message import Refused
from postroad.core.outcome import Outcome, Reject, Release, Settlement, SettlementFailure
from postroad.drivers.sqlite import deadletters, dedupe, documents, judging, lanes, publish
from postroad.drivers.sqlite.session import CHANGE, WORK, NotAsExpected, Session, as_json
from postroad.drivers.sqlite.story import history_text

HELD = """
SELECT json_group_array(json_array(l.token, l.seq)) FROM json_each(?1) e
JOIN leased l ON l.token = e.value->>0 AND l.seq = e.value->>1
"""
UNLEASE = "DELETE FROM leased WHERE (token, seq) IN (SELECT e.value, CAST(e.key AS INTEGER) FROM json_each(?1) e)"
REMOVE = "DELETE FROM message WHERE seq IN (SELECT CAST(e.key AS INTEGER) FROM json_each(?1) e)"
UNCANCEL = """
DELETE FROM cancel WHERE id IN (SELECT m.id FROM json_each(?1) e JOIN message m ON m.seq = CAST(e.key AS INTEGER))
"""
CANCELS = "SELECT EXISTS (SELECT 1 FROM cancel)"
RELEASE = """
UPDATE message SET attempt = e.value->>1, crashes = e.value->>2, due_at = e.value->>3, history = e.value->>4
FROM jsonb_each(?1) e WHERE message.seq = e.value->>0
"""
RELEASED_READY = """
INSERT INTO ready SELECT m.queue, m.rank, m.seq FROM jsonb_each(?1) e JOIN message m ON m.seq = e.value->>0
WHERE e.value->>3 IS NULL AND e.value->>5 = 0
"""
RELEASED_SUSPECT = """
INSERT INTO suspect SELECT m.queue, m.seq FROM jsonb_each(?1) e JOIN message m ON m.seq = e.value->>0 WHERE e.value->>5 = 2
"""
RELEASED_DUE = """
INSERT INTO due SELECT e.value->>3, m.seq, m.queue FROM jsonb_each(?1) e JOIN message m ON m.seq = e.value->>0
WHERE e.value->>3 IS NOT NULL
"""
COUNT = """
UPDATE counter SET value = value + CASE name WHEN 'accepted' THEN ?1 WHEN 'released' THEN ?2 ELSE ?3 END
WHERE name IN ('accepted', 'released', 'rejected')
"""

RECEIPTS = msgspec.json.Decoder(set[tuple[int, int]])


def held_text(settlements: Sequence[Settlement]) -> str:
    """{seq: token} as JSON."""
    return as_json({str(s.delivery.receipt[1]): s.delivery.receipt[0] for s in settlements})


class Unsent(NotAsExpected):
    """A send that was judged to be taken was refused after all: the settlement is to be undone."""

    def __init__(self, refused: Refused) -> None:
        self.refused = refused


def settle_all(session: Session, settlements: Sequence[Settlement], careful: bool) -> list[SettlementFailure]:
    """Settle what can be; answer what cannot. Not ``careful``: raises NotAsExpected unless all goes as it usually does."""
    if not careful:
        return settle_together(session, settlements)
    held, failures = still_held(session, settlements)
    try:
        with session.attempt():
            failures += settle_together(session, held)
    except NotAsExpected:
        failures += [failure for settlement in held for failure in settle_alone(session, settlement)]
    return failures


def settle_together(session: Session, settlements: Sequence[Settlement]) -> list[SettlementFailure]:
    failures: list[SettlementFailure] = []
    if judging.asks_for_judgement(settlements):
        settlements, failures = judging.judged(session, settlements)
    if settlements:
        settle(session, settlements)
    return failures


def settle_alone(session: Session, settlement: Settlement) -> list[SettlementFailure]:
    """All of it, or nothing: undone when one of its sends is not taken."""
    failures: list[SettlementFailure] = []
    try:
        with session.attempt():
            failures = settle_together(session, [settlement])
    except Unsent as unsent:
        failures = [judging.unsettled(settlement, unsent.refused)]
    return failures


def settle(session: Session, settlements: Sequence[Settlement]) -> None:
    """All of them. Raises NotAsExpected when one is no longer held, or one of the sends is refused."""
    held = held_text(settlements)
    session.connection.execute(UNLEASE, (held,))
    if session.connection.changes() != len(settlements):
        raise NotAsExpected
    ended = [s for s in settlements if not isinstance(s.outcome, Release)]
    released = [s for s in settlements if isinstance(s.outcome, Release)]
    rejected = [s for s in ended if isinstance(s.outcome, Reject)]
    if released:
        release(session, released)
    if rejected:
        deadletters.bury(session, rejected)
    if ended:
        end(session, ended, held if not released else held_text(ended))
    step_lanes(session, ended, released)
    send_along(session, settlements)
    session.connection.execute(COUNT, (len(ended) - len(rejected), len(released), len(rejected)))


def still_held(session: Session, settlements: Sequence[Settlement]) -> judging.Judged:
    """Those that are held; the others are answered as lost, and nothing of them happens."""
    present = RECEIPTS.decode(session.value(HELD, (as_json([s.delivery.receipt for s in settlements]),)))
    held = {s.delivery.receipt: s for s in reversed(settlements) if s.delivery.receipt in present}
    why = (
        "the lease went to another holder: this worker was taken for dead, or the message was removed or settled before"
    )
    lost = [SettlementFailure(s, "lost", why) for s in settlements if held.get(s.delivery.receipt) is not s]
    return list(held.values())[::-1], lost


def end(session: Session, ended: Sequence[Settlement], held: str) -> None:
    """Messages leave for good."""
    if any(s.delivery.message.unique for s in ended):
        dedupe.free_keys(session, held)
    if session.value(CANCELS):
        session.connection.execute(UNCANCEL, (held,))
    session.connection.execute(REMOVE, (held,))
    if any(s.delivery.message.track for s in ended):
        session.bells |= CHANGE


def release(session: Session, released: Sequence[Settlement]) -> None:
    """Back to their queues, now or later. A message that steps aside from its lane joins it again below."""
    now = session.clock()
    text = as_json([release_row(s.delivery, s.outcome, now) for s in released if isinstance(s.outcome, Release)])
    session.connection.execute(RELEASE, (text,))
    session.connection.execute(RELEASED_READY, (text,))
    session.connection.execute(RELEASED_DUE, (text,))
    if any(was_not_tried(s.delivery, s.outcome) for s in released):
        session.connection.execute(RELEASED_SUSPECT, (text,))
    session.bells |= WORK


def release_row(delivery: Delivery, outcome: Release, now: float) -> list[object]:
    crashed = outcome.attempt is not None and outcome.attempt.kind == "crash"
    return [
        delivery.receipt[1],
        delivery.attempt + outcome.counted,
        delivery.crashes + crashed,
        now + outcome.delay_s if outcome.delay_s > 0 else None,
        history_text(delivery, outcome.attempt),
        2 if was_not_tried(delivery, outcome) else int(steps_aside(delivery) and outcome.delay_s <= 0),
    ]


def was_not_tried(delivery: Delivery, outcome: Outcome) -> bool:
    """A suspect given back before it ran is a suspect still."""
    return delivery.suspect and isinstance(outcome, Release) and outcome == Release()


def steps_aside(delivery: Delivery) -> bool:
    return delivery.message.key is not None and delivery.message.order_skip


def step_lanes(session: Session, ended: Sequence[Settlement], released: Sequence[Settlement]) -> None:
    """Lanes whose head ended, or steps aside, go on."""
    aside = [s.delivery for s in released if steps_aside(s.delivery) and not was_not_tried(s.delivery, s.outcome)]
    left = [s.delivery for s in ended if s.delivery.message.key is not None] + aside
    if not left:
        return
    lanes.leave(session, {(session.queue_number(d.source), d.message.key) for d in left if d.message.key is not None})
    stepping = {delivery.receipt for delivery in aside}
    again = [s.delivery.receipt[1] for s in released if s.delivery.receipt in stepping and is_immediate(s.outcome)]
    if again:
        lanes.reenter(session, as_json(again))


def is_immediate(outcome: Outcome) -> bool:
    return isinstance(outcome, Release) and outcome.delay_s <= 0


def send_along(session: Session, settlements: Sequence[Settlement]) -> None:
    """What leaves with the outcomes: store writes and messages."""
    documents.apply(session, [write for s in settlements for write in s.writes])
    sends = [send for s in settlements for send in s.sends]
    answers = publish.publish(session, sends) if sends else ()
    refused = judging.worst([answer if isinstance(answer, Refused) else None for answer in answers])
    if refused is not None:
        raise Unsent(refused)

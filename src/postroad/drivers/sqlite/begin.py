"""What is asked of the engine before a handler runs: is it held still, was it handled before; and a suspect's start is charged."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from postroad.core.delivery import Begun, Delivery
from postroad.drivers.sqlite import inbox
from postroad.drivers.sqlite.session import Session, as_json

ALONE = """
UPDATE leased SET alone = 2 WHERE (token, seq) IN (SELECT e.value, CAST(e.key AS INTEGER) FROM json_each(?1) e)
"""
CHARGE = """
UPDATE message SET crashes = crashes + 1 WHERE seq IN (
SELECT l.seq FROM json_each(?1) e JOIN leased l ON l.token = e.value AND l.seq = CAST(e.key AS INTEGER) WHERE l.alone < 2)
"""
HELD = """
SELECT json_group_array(json_array(l.token, l.seq)) FROM json_each(?1) e
JOIN leased l ON l.token = e.value AND l.seq = CAST(e.key AS INTEGER)
"""

Receipts = set[tuple[int, int]]
RECEIPTS = msgspec.json.Decoder(Receipts)


def judge(session: Session, held: Sequence[Delivery], marks: Sequence[str | None]) -> list[Begun]:
    """Suspects that are to run are charged for it, once: whoever dies now is convicted. Nobody else is."""
    present = still_held(session, held)
    repeats = repeated(session, held, marks)
    begun = [Begun(delivery, verdict(delivery, present, repeats)) for delivery in held]
    running = [each.delivery for each in begun if each.verdict == "run" and each.delivery.suspect]
    if running:
        session.connection.execute(CHARGE, (as_text(running),))
        session.connection.execute(ALONE, (as_text(running),))
    return begun


def verdict(delivery: Delivery, present: Receipts, repeats: Receipts) -> str:
    if delivery.receipt not in present:
        return "lost"
    return "duplicate" if delivery.receipt in repeats else "run"


def repeated(session: Session, held: Sequence[Delivery], marks: Sequence[str | None]) -> Receipts:
    """The receipts of those whose mark the inbox of their queue has."""
    if not marks:
        return set()
    asked = {
        delivery.receipt: (session.queue_number(delivery.source), mark)
        for delivery, mark in zip(held, marks, strict=True)
        if mark is not None
    }
    known = inbox.known(session, asked.values())
    return {receipt for receipt, mark in asked.items() if mark in known}


def still_held(session: Session, held: Sequence[Delivery]) -> Receipts:
    return RECEIPTS.decode(session.value(HELD, (as_text(held),)))


def as_text(held: Sequence[Delivery]) -> str:
    """{seq: token} as JSON."""
    return as_json({str(delivery.receipt[1]): delivery.receipt[0] for delivery in held})

"""Which settlements may happen: none of whose sends is refused (E5), and whose mark the inbox does not have."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from postroad.core.message import Refused, Send
from postroad.core.outcome import ACCEPT, Release, Settlement, SettlementFailure
from postroad.drivers.sqlite import inbox, publish
from postroad.drivers.sqlite.inbox import Mark
from postroad.drivers.sqlite.session import Session

Judged = tuple[list[Settlement], list[SettlementFailure]]
"""What is to be settled, in order, and what does not happen of what was asked for."""

HANDLED = "the inbox has its mark {mark!r}: it was handled before, so its sends and writes are not done again"


def asks_for_judgement(settlements: Sequence[Settlement]) -> bool:
    return any(settlement.sends or settlement.mark is not None for settlement in settlements)


def judged(session: Session, settlements: Sequence[Settlement]) -> Judged:
    """Each after those before it. As a rule nothing is refused, which one look at all sends together shows."""
    marks = marks_of(session, settlements)
    known = inbox.known(session, marks.values())
    sends = [send for settlement in settlements for send in settlement.sends]
    apart = any(refusal is not None for refusal in refusals(session, sends))
    taken, failures = [], []
    for settlement in settlements:
        mark = marks.get(settlement.delivery.receipt)
        if mark is not None and mark in known:
            failures.append(SettlementFailure(settlement, "duplicate", HANDLED.format(mark=mark[1])))
            taken.append(Settlement(settlement.delivery, ACCEPT))
        elif apart and (failure := refused(session, settlement)) is not None:
            failures.append(failure)
        else:
            taken.append(sent_before(session, settlement) if apart else settlement)
            known.update([mark] if mark is not None else ())
    keep_marks(session, taken, marks, failures)
    return taken, failures


def marks_of(session: Session, settlements: Sequence[Settlement]) -> dict[tuple[int, int], Mark]:
    """By receipt. A release leaves no mark: it is to be handled again."""
    return {
        each.delivery.receipt: (session.queue_number(each.delivery.source), each.mark)
        for each in settlements
        if each.mark is not None and not isinstance(each.outcome, Release)
    }


def keep_marks(
    session: Session,
    taken: Sequence[Settlement],
    marks: dict[tuple[int, int], Mark],
    failures: Sequence[SettlementFailure],
) -> None:
    """A repeat stands among ``taken`` too, without its mark."""
    inbox.remember(
        session,
        [marks[each.delivery.receipt] for each in taken if each.mark is not None and each.delivery.receipt in marks],
    )
    repeats = sum(failure.kind == "duplicate" for failure in failures)
    if repeats:
        session.bump("duplicates", repeats)


def refusals(session: Session, sends: Sequence[Send]) -> list[Refused | None]:
    return [publish.refusal(session, send) for send in sends]


def refused(session: Session, settlement: Settlement) -> SettlementFailure | None:
    """Why none of it may happen. What waiting does not mend is told first."""
    answers = [answer for answer in refusals(session, settlement.sends) if answer is not None]
    if not answers:
        return None
    worst = next((answer for answer in answers if answer.kind != "blocked"), answers[0])
    return SettlementFailure(settlement, "blocked" if worst.kind == "blocked" else "refused", worst.reason)


def sent_before(session: Session, settlement: Settlement) -> Settlement:
    """Its sends are there at once, so that the next one is judged by what room they left."""
    if not settlement.sends:
        return settlement
    publish.publish(session, settlement.sends)
    return msgspec.structs.replace(settlement, sends=())

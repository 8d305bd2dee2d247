"""Which settlements may happen: none of whose sends is refused (E5), and whose mark the inbox does not have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice

from postroad.core.message import Refused, Send
from postroad.core.outcome import ACCEPT, Release, Settlement, SettlementFailure
from postroad.drivers.sqlite import inbox, publish
from postroad.drivers.sqlite.inbox import Mark
from postroad.drivers.sqlite.session import NotAsExpected, Session

Receipt = tuple[int, int]

Judged = tuple[list[Settlement], list[SettlementFailure]]
"""What is to be settled, in order, and what does not happen of what was asked for."""

HANDLED = "the inbox has its mark {mark!r}: it was handled before, so its sends and writes are not done again"


def asks_for_judgement(settlements: Sequence[Settlement]) -> bool:
    return any(settlement.sends or settlement.mark is not None for settlement in settlements)


def judged(session: Session, settlements: Sequence[Settlement]) -> Judged:
    """Each after those before it. Raises NotAsExpected when they must be judged one by one."""
    marks = marks_of(session, settlements)
    known = inbox.known(session, marks.values())
    groups = [() if marks.get(each.delivery.receipt) in known else each.sends for each in settlements]
    answers = answers_together(session, groups)
    if any(answers) and not is_exact(groups, marks):
        raise NotAsExpected
    taken, failures = [], []
    for settlement, answer in zip(settlements, answers, strict=True):
        mark = marks.get(settlement.delivery.receipt)
        if mark is not None and mark in known:
            failures.append(SettlementFailure(settlement, "duplicate", HANDLED.format(mark=mark[1])))
            taken.append(Settlement(settlement.delivery, ACCEPT))
        elif answer is not None:
            failures.append(unsettled(settlement, answer))
        else:
            taken.append(settlement)
            known.update([mark] if mark is not None else ())
    keep_marks(session, taken, marks, failures)
    return taken, failures


def marks_of(session: Session, settlements: Sequence[Settlement]) -> dict[Receipt, Mark]:
    """By receipt. A release leaves no mark: it is to be handled again."""
    return {
        each.delivery.receipt: (session.queue_number(each.delivery.source), each.mark)
        for each in settlements
        if each.mark is not None and not isinstance(each.outcome, Release)
    }


def keep_marks(
    session: Session,
    taken: Sequence[Settlement],
    marks: dict[Receipt, Mark],
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


def answers_together(session: Session, groups: Sequence[Sequence[Send]]) -> list[Refused | None]:
    """Why each group would be refused, if all sends were one after the other."""
    refusals = iter(publish.refusals(session, [send for group in groups for send in group]))
    return [worst(list(islice(refusals, len(group)))) for group in groups]


def is_exact(groups: Sequence[Sequence[Send]], marks: Mapping[Receipt, Mark]) -> bool:
    """Whether `answers_together` are right also where some are refused: no send counted that is not sent after all."""
    lengths = [len(group) for group in groups if group]
    return (len(lengths) <= 1 or max(lengths) <= 1) and len(set(marks.values())) == len(marks)


def unsettled(settlement: Settlement, refused: Refused) -> SettlementFailure:
    return SettlementFailure(settlement, "blocked" if refused.kind == "blocked" else "refused", refused.reason)


def worst(answers: Sequence[Refused | None]) -> Refused | None:
    """What waiting does not mend is told first."""
    refused = [answer for answer in answers if answer is not None]
    return next((answer for answer in refused if answer.kind != "blocked"), refused[0] if refused else None)

"""The history of a message: how its attempts ended, and what operators did with it. At most ATTEMPTS_KEPT entries."""

from __future__ import annotations

from collections.abc import Sequence

from postroad.core.delivery import ATTEMPTS_KEPT, Attempt, Delivery
from postroad.drivers.sqlite.session import as_json

REDRIVEN, EDITED = "redriven", "edited"
ACTS = (REDRIVEN, EDITED)
"""Entries that are no attempts. They are kept longest: how often it died is told by them."""


def history_text(delivery: Delivery, attempt: Attempt | None) -> str | None:
    """As JSON, with what became of this attempt."""
    history = (*delivery.history, *([attempt] if attempt is not None else []))
    return as_json(trimmed(history)) if history else None


def trimmed(history: Sequence[Attempt]) -> list[Attempt]:
    """Without the oldest attempts that are too many; acts go only when they alone are too many."""
    surplus = len(history) - ATTEMPTS_KEPT
    if surplus <= 0:
        return list(history)
    by_worth = sorted(range(len(history)), key=lambda place: (history[place].kind in ACTS, place))
    dropped = set(by_worth[:surplus])
    return [attempt for place, attempt in enumerate(history) if place not in dropped]


def deaths(history: Sequence[Attempt]) -> int:
    return 1 + sum(attempt.kind == REDRIVEN for attempt in history)


def was_edited(history: Sequence[Attempt]) -> bool:
    return any(attempt.kind == EDITED for attempt in history)

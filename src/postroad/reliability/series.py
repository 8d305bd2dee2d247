"""One key's series of numbers: what is expected, what is early, and what to do with the next one. Pure."""

from __future__ import annotations

from enum import Enum

import msgspec

from postroad.reliability.ranges import Ranges, contains, lowest, with_numbers, without

START = 1
"""A series begins at 1, or at 0 when that comes first; at a higher number only after the gap's time is over."""
SKIPPED_KEPT = 100
"""So many skipped runs are remembered; what comes later still is a duplicate."""


class Series(msgspec.Struct, frozen=True, omit_defaults=True):
    """``next``: the number expected. ``first``: the first that ran, ``first_id`` its message; None while none has.

    ``parked``: came early, and wait in the store. ``condemned``: on their way to the dead letters. ``skipped``: given up.
    ``watched``: while a control message is on its way, the expected number that it watches for; ``over_at``: when its gap is
    over (wall seconds; 0.0: counted from its next look). ``reset``: a number at or below the first came again, with another id.
    """

    next: int = START
    first: int | None = None
    first_id: str = ""
    parked: Ranges = ()
    condemned: Ranges = ()
    skipped: Ranges = ()
    watched: int | None = None
    over_at: float = 0.0
    reset: bool = False


class Verdict(Enum):
    """RUN: it is the next. AGAIN: an operator sent it again: it runs, and the series stays as it is. PARK: it is early.
    DUPLICATE, and dead letters: LATE (its number was skipped), RESET (numbering began anew), GAP (those before it never came).
    """

    RUN = "run"
    AGAIN = "again"
    PARK = "park"
    DUPLICATE = "duplicate"
    LATE = "late"
    RESET = "reset"
    GAP = "gap"


def judge(series: Series, number: int, id: str, redriven: bool = False) -> Verdict:
    """What becomes of a message with this number and id. ``redriven``: it comes back from the dead letters."""
    if number == series.next or (series.first is None and number < series.next):
        return Verdict.RUN
    if contains(series.condemned, number):
        return Verdict.GAP
    if number > series.next:
        return Verdict.DUPLICATE if contains(series.parked, number) else Verdict.PARK
    return Verdict.AGAIN if redriven else past(series, number, id)


def past(series: Series, number: int, id: str) -> Verdict:
    """Of a number below the expected one."""
    if contains(series.skipped, number):
        return Verdict.LATE
    begun_anew = series.first is not None and number <= series.first and id != series.first_id
    return Verdict.RESET if series.reset or begun_anew else Verdict.DUPLICATE


def ran(series: Series, number: int, id: str) -> Series:
    """The expected one has ended; the one after it, if it was parked, is on its way back."""
    begun = {"first": number, "first_id": id} if series.first is None else {}
    return msgspec.structs.replace(
        series,
        next=number + 1,
        parked=without(series.parked, number + 1),
        condemned=without(series.condemned, number),
        **begun,
    )


def parked(series: Series, number: int) -> Series:
    return msgspec.structs.replace(series, parked=with_numbers(series.parked, number, number))


def watching(series: Series, over_at: float) -> Series:
    """A control message is sent for what is expected now; 0.0: its gap's time is not counted yet."""
    return msgspec.structs.replace(series, watched=series.next, over_at=over_at)


def unwatched(series: Series) -> Series:
    return msgspec.structs.replace(series, watched=None, over_at=0.0)


def rejected(series: Series, number: int) -> Series:
    """One of the condemned is a dead letter now."""
    return msgspec.structs.replace(series, condemned=without(series.condemned, number))


def begun_anew(series: Series) -> Series:
    return msgspec.structs.replace(series, reset=True)


def skipping(series: Series) -> Series:
    """Go on with the lowest of the parked, which is on its way back."""
    (at,) = lowest(series.parked, 1)
    given_up = with_numbers(series.skipped, series.next, at - 1)[-SKIPPED_KEPT:] if series.first is not None else ()
    return msgspec.structs.replace(series, next=at, parked=without(series.parked, at), skipped=given_up)


def condemning(series: Series, numbers: list[int]) -> Series:
    """These parked ones are on their way to the dead letters; what is expected stays expected."""
    for number in numbers:
        series = msgspec.structs.replace(
            series,
            parked=without(series.parked, number),
            condemned=with_numbers(series.condemned, number, number),
        )
    return series

"""In which portions rows are published, so that a refusal in the middle does not let a key's later message overtake."""

from __future__ import annotations

from collections.abc import Iterable

from postroad.core.message import Address, Send

Numbered = tuple[int, Send]
"""A row's number, with what it holds."""


def waves(rows: Iterable[Numbered]) -> list[list[Numbered]]:
    """Portions of which, of each key, all go to one address: a full queue refuses them all, or none after the first taken.

    In each the order is kept; what follows at another address comes in a later portion, when the answers are known.
    """
    portions: list[list[Numbered]] = []
    at: dict[str, tuple[int, Address]] = {}
    for row in rows:
        wave = 0
        key, to = row[1].message.key, row[1].to
        if key is not None:
            before = at.get(key)
            wave = 0 if before is None else before[0] + (before[1] != to)
            at[key] = wave, to
        while len(portions) <= wave:
            portions.append([])
        portions[wave].append(row)
    return portions

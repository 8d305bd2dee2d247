"""Sets of whole numbers, kept as the runs they form: a thousand neighbours cost as much as one."""

from __future__ import annotations

Ranges = tuple[tuple[int, int], ...]
"""First and last number of each run, ascending, with gaps between them."""


def contains(ranges: Ranges, number: int) -> bool:
    return any(first <= number <= last for first, last in ranges)


def with_numbers(ranges: Ranges, first: int, last: int) -> Ranges:
    """These, and all from ``first`` to ``last``."""
    joined: list[tuple[int, int]] = []
    for low, high in sorted((*ranges, (first, last))):
        if joined and low <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(joined[-1][1], high))
        else:
            joined.append((low, high))
    return tuple(joined)


def without(ranges: Ranges, number: int) -> Ranges:
    """These, but not this one."""
    left: list[tuple[int, int]] = []
    for low, high in ranges:
        if low <= number <= high:
            left += [run for run in ((low, number - 1), (number + 1, high)) if run[0] <= run[1]]
        else:
            left.append((low, high))
    return tuple(left)


def lowest(ranges: Ranges, limit: int) -> list[int]:
    """The first numbers, ``limit`` of them at most."""
    numbers: list[int] = []
    for low, high in ranges:
        numbers += range(low, min(high, low + limit - len(numbers) - 1) + 1)
        if len(numbers) >= limit:
            break
    return numbers

"""Durations counted in buckets whose width grows with them: small, mergeable, and true to 6 % from a microsecond to a year.

A bucket is the exponent and the first three bits of a 32-bit float, eight to each doubling: so that thousands of
durations are put into buckets at C's speed, by nothing but looking at half of their bytes.
"""

from __future__ import annotations

import math
import sys
from array import array
from collections import Counter
from collections.abc import Iterable, Sequence

PER_DOUBLING = 8
FIRST = (127 - 20) * PER_DOUBLING
"""The first bucket's number as a float's bits say it: 2**-20 s. What is shorter counts there too."""
BUCKETS = 45 * PER_DOUBLING
"""The last bucket ends at 2**25 s; what is longer counts there too."""

NEGATIVE = 0x8000
UPPER_HALF, THIRD_BYTE = (1, 2) if sys.byteorder == "little" else (0, 1)
NO_FINER = bytes(byte & 0xF0 for byte in range(256))
"""Of the byte that has the float's first seven bits, all but the first three cleared."""


def bucket_of(upper: int) -> int:
    """Where a duration counts, by the upper 16 bits of its float; negative ones (clocks differ) count as none."""
    return 0 if upper >= NEGATIVE else min(max((upper >> 4) - FIRST, 0), BUCKETS - 1)


def middle_s(bucket: int) -> float:
    """The duration that a bucket stands for: at most 6 % from any that counts in it."""
    low, high = edge_s(bucket), edge_s(bucket + 1)
    return 2 * low * high / (low + high)


def edge_s(bucket: int) -> float:
    """Where a bucket begins."""
    doublings, part = divmod(bucket, PER_DOUBLING)
    return math.ldexp(1 + part / PER_DOUBLING, doublings - 20)


class Histogram:
    """``counts``: how many, by bucket."""

    __slots__ = ("counts",)

    def __init__(self, packed: Sequence[int] = ()) -> None:
        self.counts: Counter[int] = Counter()
        self.add(packed)

    def record(self, durations_s: Sequence[float]) -> None:
        """Count these."""
        floats = bytearray(array("f", durations_s).tobytes())
        floats[THIRD_BYTE::4] = floats[THIRD_BYTE::4].translate(NO_FINER)
        for upper, count in Counter(array("H", floats)[UPPER_HALF::2]).items():
            self.counts[bucket_of(upper)] += count

    def packed(self) -> list[int]:
        """bucket, count, bucket, count, ... in order: few numbers, ready for JSON."""
        return [number for bucket in sorted(self.counts) for number in (bucket, self.counts[bucket])]

    def add(self, packed: Iterable[int]) -> None:
        """Count another histogram's too."""
        numbers = iter(packed)
        for bucket, count in zip(numbers, numbers, strict=False):
            self.counts[min(max(bucket, 0), BUCKETS - 1)] += count

    @property
    def total(self) -> int:
        """How many were recorded."""
        return self.counts.total()

    def percentile(self, share: float) -> float | None:
        """The duration in seconds that ``share`` (0.95) of all do not exceed; None when there are none."""
        rank = max(math.ceil(share * self.total), 1)
        below = 0
        for bucket in sorted(self.counts):
            below += self.counts[bucket]
            if below >= rank:
                return middle_s(bucket)
        return None

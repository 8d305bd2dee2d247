"""A wall clock that a program can step. Imported before Postroad, whose clock is the standard library's."""

from __future__ import annotations

import time

REAL, REAL_NS = time.time, time.time_ns
OFFSET_S = [0.0]


def step(by_s: float) -> None:
    """As an administrator or a time server would, for this process alone."""
    OFFSET_S[0] += by_s


def stepped_time() -> float:
    return REAL() + OFFSET_S[0]


def stepped_time_ns() -> int:
    return REAL_NS() + int(OFFSET_S[0] * 1e9)


time.time, time.time_ns = stepped_time, stepped_time_ns

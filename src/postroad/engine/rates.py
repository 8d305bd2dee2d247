"""Rates as users write them: "100/s", "30/m", "1000/hour", or a number a second."""

from __future__ import annotations

import re
from typing import Any

from postroad.errors import InvalidOption

UNITS_S = {
    "s": 1, "sec": 1, "second": 1, "m": 60, "min": 60, "minute": 60, "h": 3600, "hour": 3600, "d": 86_400, "day": 86_400,
}  # fmt: skip
PATTERN = re.compile(r"\s*(\d+(?:\.\d+)?)\s*/\s*([a-z]+)\s*")


def per_second(rate: Any, option: str = "rate") -> float | None:
    """A second; None stays None. Raises InvalidOption."""
    if rate is None:
        return None
    found = from_text(rate) if isinstance(rate, str) else from_number(rate)
    if found is None or found <= 0:
        raise InvalidOption(f'{option}={rate!r}: write "100/s", "30/m" or "1000/hour", or a number a second.')
    return found


def from_text(text: str) -> float | None:
    match = PATTERN.fullmatch(text)
    if match is None or match[2] not in UNITS_S:
        return None
    return float(match[1]) / UNITS_S[match[2]]


def from_number(rate: Any) -> float | None:
    return None if isinstance(rate, bool) or not isinstance(rate, int | float) else float(rate)

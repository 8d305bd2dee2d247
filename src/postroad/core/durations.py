"""Durations as users write them: seconds, timedelta, or "90s" "5m" "7d"."""

from __future__ import annotations

import math
import re
from datetime import timedelta

from postroad.errors import InvalidOption

Duration = float | timedelta | str

SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
PATTERN = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(ms|[smhdw])\s*")


def seconds(value: Duration, option: str = "duration") -> float:
    """Seconds, never negative. Raises InvalidOption, naming the option."""
    result = from_text(value, option) if isinstance(value, str) else from_number(value, option)
    if not math.isfinite(result) or result < 0:
        raise InvalidOption(f"{option}={value!r} is not a duration: it must be finite and not negative.")
    return result


def optional_seconds(value: Duration | None, option: str = "duration") -> float | None:
    """As `seconds`; None stays None."""
    return None if value is None else seconds(value, option)


def from_number(value: float | timedelta, option: str) -> float:
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidOption(f'{option}={value!r} is not a duration: write seconds, a timedelta, or "90s", "5m", "7d".')
    return float(value)


def from_text(text: str, option: str) -> float:
    match = PATTERN.fullmatch(text)
    if match is None:
        raise InvalidOption(
            f'{option}={text!r} is not a duration: write a number and one of {", ".join(SECONDS)}, as "90s".'
        )
    return float(match[1]) * SECONDS[match[2]]

"""Durations as users write them."""

from __future__ import annotations

import math
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroad.core.durations import SECONDS, optional_seconds, seconds
from postroad.errors import ConfigurationError, InvalidOption


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (0, 0.0),
        (2, 2.0),
        (0.25, 0.25),
        (timedelta(minutes=2, milliseconds=500), 120.5),
        ("90s", 90.0),
        ("5m", 300.0),
        ("7d", 604_800.0),
        ("2w", 1_209_600.0),
        ("250ms", 0.25),
        ("1.5h", 5_400.0),
        (" 3 s ", 3.0),
    ],
)
def test_what_users_write(written: float | timedelta | str, expected: float) -> None:
    assert seconds(written) == pytest.approx(expected)
    assert isinstance(seconds(written), float)


@pytest.mark.parametrize(
    "written",
    [
        -1,
        -0.001,
        timedelta(seconds=-1),
        math.nan,
        math.inf,
        "",
        "5",
        "s",
        "-5s",
        "5 minutes",
        "5M",
        "1h30m",
        "1e3s",
        True,
        None,
        [],
        b"5s",
    ],
)
def test_what_is_no_duration_is_refused_by_the_options_name(written: object) -> None:
    with pytest.raises(InvalidOption, match="max_delay=") as refused:
        seconds(written, "max_delay")  # type: ignore[arg-type]
    assert isinstance(refused.value, ConfigurationError)


@given(st.floats(0, 1e6, allow_nan=False), st.sampled_from(sorted(SECONDS)))
def test_text_means_its_number_times_its_unit(amount: float, unit: str) -> None:
    written = f"{amount:.3f}{unit}"
    assert seconds(written) == pytest.approx(float(f"{amount:.3f}") * SECONDS[unit])


@given(st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=10_000)))
def test_timedelta_and_seconds_agree(duration: timedelta) -> None:
    assert seconds(duration) == seconds(duration.total_seconds())


def test_none_stays_none() -> None:
    assert optional_seconds(None) is None
    assert optional_seconds("1s") == 1.0
    with pytest.raises(InvalidOption, match="ttl="):
        optional_seconds(-1, "ttl")

"""Durations by bucket: how true, how small."""

from __future__ import annotations

import json
import math
import random

import pytest

from postroad.core.histogram import BUCKETS, Histogram, edge_s, middle_s

ERROR_MAX = 0.06
DAY_S = 86_400.0


def of(durations_s: list[float]) -> Histogram:
    histogram = Histogram()
    histogram.record(durations_s)
    return histogram


@pytest.mark.parametrize(
    "duration_s", [10**exponent * digit for exponent in range(-6, 6) for digit in (1, 1.12, 3.3, 7.9)]
)
def test_one_duration_comes_back_to_six_percent(duration_s: float) -> None:
    found = of([duration_s]).percentile(0.5)
    assert found is not None and abs(found / duration_s - 1) <= ERROR_MAX


def test_no_duration_between_a_microsecond_and_a_month_is_further_off() -> None:
    chosen = random.Random(3)
    for duration_s in (math.exp(chosen.uniform(math.log(1e-6), math.log(30 * DAY_S))) for _ in range(20_000)):
        found = of([duration_s]).percentile(0.5)
        assert found is not None and abs(found / duration_s - 1) <= ERROR_MAX, duration_s


def test_percentiles_of_known_distributions() -> None:
    even = of([number / 1000 for number in range(1, 1001)])
    for share in (0.5, 0.95, 0.99, 1.0):
        assert even.percentile(share) == pytest.approx(share, rel=ERROR_MAX)
    chosen = random.Random(7)
    exponential = of([chosen.expovariate(100) for _ in range(100_000)])
    for share in (0.5, 0.95, 0.99):
        assert exponential.percentile(share) == pytest.approx(-math.log(1 - share) / 100, rel=ERROR_MAX + 0.03)
    mostly = of([0.001] * 97 + [30.0] * 3)
    assert mostly.percentile(0.95) == pytest.approx(0.001, rel=ERROR_MAX)
    assert mostly.percentile(0.99) == pytest.approx(30.0, rel=ERROR_MAX)


def test_merged_is_as_if_all_had_been_recorded_in_one() -> None:
    chosen = random.Random(11)
    first, second = ([chosen.lognormvariate(-5, 2) for _ in range(5_000)] for _ in range(2))
    merged = of(first)
    merged.add(json.loads(json.dumps(of(second).packed())))
    together = of(first + second)
    assert merged.packed() == together.packed()
    assert merged.total == 10_000 == Histogram(merged.packed()).total


def test_it_is_small() -> None:
    chosen = random.Random(13)
    histogram = of([chosen.lognormvariate(-6, 0.5) for _ in range(100_000)])
    assert len(json.dumps(histogram.packed())) < 600


def test_what_is_out_of_range_counts_at_the_ends() -> None:
    ends = of([-5.0, 0.0, 1e-9, 1e30, 10_000 * DAY_S])
    assert ends.packed() == [0, 3, BUCKETS - 1, 2]
    assert Histogram([-3, 1, 10**9, 1]).packed() == [0, 1, BUCKETS - 1, 1]


def test_nothing_recorded() -> None:
    assert Histogram().percentile(0.5) is None
    assert Histogram().packed() == []
    assert of([]).total == 0


def test_buckets_follow_each_other_without_a_gap() -> None:
    for bucket in range(BUCKETS):
        assert edge_s(bucket) < middle_s(bucket) < edge_s(bucket + 1)
        assert edge_s(bucket + 1) / edge_s(bucket) <= 1.125

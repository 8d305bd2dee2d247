"""What becomes of a number, as a table; and any order of arrival comes out as one."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroad.reliability import series as numbers
from postroad.reliability.ranges import contains, lowest, with_numbers, without
from postroad.reliability.series import Series, Verdict

AT_5 = Series(next=5, first=1, first_id="one")

TABLE = [
    # a series that has not begun
    (Series(), 1, "x", False, Verdict.RUN),
    (Series(), 0, "x", False, Verdict.RUN),
    (Series(), 2, "x", False, Verdict.PARK),
    (Series(parked=((2, 2),)), 2, "x", False, Verdict.DUPLICATE),
    # one that is at 5
    (AT_5, 5, "x", False, Verdict.RUN),
    (AT_5, 5, "x", True, Verdict.RUN),
    (AT_5, 6, "x", False, Verdict.PARK),
    (AT_5, 6, "x", True, Verdict.PARK),
    (AT_5, 4, "x", False, Verdict.DUPLICATE),
    (AT_5, 4, "x", True, Verdict.AGAIN),
    (AT_5, 1, "one", False, Verdict.DUPLICATE),
    (AT_5, 1, "another", False, Verdict.RESET),
    (AT_5, 0, "another", False, Verdict.RESET),
    (AT_5, 1, "another", True, Verdict.AGAIN),
    # after a reset nothing low is silently a repeat
    (numbers.begun_anew(AT_5), 3, "x", False, Verdict.RESET),
    (numbers.begun_anew(AT_5), 5, "x", False, Verdict.RUN),
    # around a gap
    (Series(next=5, first=1, first_id="one", parked=((7, 9),)), 8, "x", False, Verdict.DUPLICATE),
    (Series(next=5, first=1, first_id="one", condemned=((7, 9),)), 8, "x", False, Verdict.GAP),
    (Series(next=5, first=1, first_id="one", skipped=((3, 4),)), 3, "x", False, Verdict.LATE),
    (Series(next=5, first=1, first_id="one", skipped=((3, 4),)), 3, "x", True, Verdict.AGAIN),
]


@pytest.mark.parametrize(("series", "number", "id", "redriven", "verdict"), TABLE)
def test_table(series: Series, number: int, id: str, redriven: bool, verdict: Verdict) -> None:
    assert numbers.judge(series, number, id, redriven) is verdict


def test_a_run_takes_the_next_out_of_what_is_parked() -> None:
    before = Series(next=5, first=1, first_id="one", parked=((6, 7),))
    after = numbers.ran(before, 5, "five")
    assert after == Series(next=6, first=1, first_id="one", parked=((7, 7),))
    assert numbers.ran(Series(), 0, "zero") == Series(next=1, first=0, first_id="zero")


def test_skipping_and_condemning() -> None:
    gap = Series(next=2, first=1, first_id="one", parked=((5, 6), (9, 9)))
    assert numbers.skipping(gap) == Series(5, 1, "one", parked=((6, 6), (9, 9)), skipped=((2, 4),))
    assert numbers.condemning(gap, [5, 6]) == Series(2, 1, "one", parked=((9, 9),), condemned=((5, 6),))
    assert numbers.skipping(Series(parked=((5, 6),))) == Series(5, parked=((6, 6),))


NUMBERS = st.lists(st.integers(0, 30), max_size=40)


@given(NUMBERS, NUMBERS)
def test_ranges_are_sets(put: list[int], taken: list[int]) -> None:
    ranges, model = (), set[int]()
    for number in put:
        ranges = with_numbers(ranges, number, number)
        model.add(number)
    for number in taken:
        ranges = without(ranges, number)
        model.discard(number)
    assert [number for number in range(32) if contains(ranges, number)] == sorted(model)
    assert lowest(ranges, 5) == sorted(model)[:5]
    assert all(before[1] + 1 < after[0] for before, after in itertools.pairwise(ranges))


@given(
    st.integers(1, 12).flatmap(
        lambda count: st.tuples(st.permutations(range(1, count + 1)), st.lists(st.integers(1, count)))
    )
)
def test_any_order_comes_out_as_one(arrival: tuple[list[int], list[int]]) -> None:
    """The decisions alone, where what is parked comes back at once."""
    order, repeats = arrival
    series, out = Series(), list[int]()
    for number in [*order, *repeats]:
        verdict = numbers.judge(series, number, f"id {number}")
        if verdict is Verdict.PARK:
            series = numbers.parked(series, number)
        while verdict is Verdict.RUN:
            back = contains(series.parked, number + 1)
            series = numbers.ran(series, number, f"id {number}")
            out.append(number)
            number += 1
            verdict = Verdict.RUN if back else Verdict.DUPLICATE
    assert out == sorted(order) and series.parked == ()

"""How much a consumer holds, by how fast its handlers end."""

from __future__ import annotations

from postroad.engine.credit import Credit


def test_slow_handlers_that_end_together_are_no_fast_ones() -> None:
    credit = Credit(slots=5, prefetch=1000)
    credit.finished(0, 0.0)
    credit.finished(1, 0.1000)
    credit.finished(4, 0.1012)
    assert credit.target < 10


def test_fast_handlers_are_given_fifty_milliseconds_of_work() -> None:
    credit = Credit(slots=5, prefetch=1000)
    for step in range(11):
        credit.finished(100, step * 0.01)
    assert 400 < credit.target <= 600


def test_never_more_than_prefetch_and_never_nothing() -> None:
    credit = Credit(slots=5, prefetch=50)
    for step in range(11):
        credit.finished(1000, step * 0.01)
    assert credit.target == 50
    assert credit.room(50) == 0
    assert Credit(slots=0, prefetch=0).target == 1


def test_what_would_wait_too_long_is_surplus() -> None:
    credit = Credit(slots=5, prefetch=1000)
    assert credit.surplus(16) > 0
    assert credit.surplus(10) == 0

"""The retry policy, and the decision after a failure, as tables."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroad.core.delivery import Attempt
from postroad.core.outcome import ACCEPT, Outcome, Reject, Release
from postroad.core.retry import ErrorRoutes, Failure, Retry, on_failure
from postroad.errors import DeadLetter, Drop, HandlerSignal, InvalidOption, RetryLater

RECORD = Attempt("error", "OSError", "disk gone", "Traceback", 10.0, 11.0, "w1")
REASON = "OSError: disk gone"


def decide(
    error: BaseException,
    attempt: int = 1,
    retry: Retry | None = None,
    routes: ErrorRoutes | None = None,
    fraction: float = 0.5,
) -> Failure:
    return on_failure(error, attempt, RECORD, retry, routes or {}, fraction)


def release(delay_s: float) -> Release:
    return Release(delay_s, counted=True, attempt=RECORD)


@pytest.mark.parametrize(
    ("attempt", "expected"), [(1, 60.0), (2, 120.0), (3, 240.0), (4, 480.0), (7, 3600.0), (100_000, 3600.0)]
)
def test_delays_double_up_to_the_cap(attempt: int, expected: float) -> None:
    assert Retry(base="1m", max_delay="1h", jitter=False).delay_s(attempt, 0.9) == expected


def test_factor_one_waits_the_same_every_time() -> None:
    waits = {Retry(base=3, factor=1, jitter=False).delay_s(attempt, 0) for attempt in range(1, 50)}
    assert waits == {3.0}


def test_jitter_draws_between_half_and_the_whole() -> None:
    retry = Retry(base=8, max_delay=100)
    assert retry.delay_s(1, 0.0) == 4.0
    assert retry.delay_s(1, 0.5) == 6.0
    assert retry.delay_s(1, 0.999999) == pytest.approx(8.0, abs=0.001)


@given(
    st.floats(0, 1e6),
    st.floats(1, 1e3),
    st.floats(0, 1e6),
    st.integers(1, 10**9),
    st.floats(0, 1, exclude_max=True),
)
def test_no_wait_is_negative_or_above_the_cap(
    base: float, factor: float, cap: float, attempt: int, fraction: float
) -> None:
    retry = Retry(base=base, factor=factor, max_delay=cap)
    assert 0 <= retry.delay_s(attempt, fraction) <= cap


@given(st.floats(0.001, 10), st.floats(1, 4), st.integers(1, 30))
def test_waits_never_shrink(base: float, factor: float, attempt: int) -> None:
    retry = Retry(base=base, factor=factor, max_delay="1h", jitter=False)
    assert retry.delay_s(attempt, 0) <= retry.delay_s(attempt + 1, 0)


@pytest.mark.parametrize(
    "wrong", [{"max": -1}, {"factor": 0.5}, {"base": -1}, {"base": "soon"}, {"max_delay": "1 hour"}]
)
def test_a_policy_that_cannot_be_is_refused_when_written(wrong: dict[str, object]) -> None:
    with pytest.raises(InvalidOption, match=next(iter(wrong))):
        Retry(**wrong)  # type: ignore[arg-type]


PLAIN = Retry(max=2, base=1, jitter=False)
OS_ONLY = Retry(max=2, base=1, jitter=False, on=(OSError,))
DEAD_OF_POLICY = Failure(Reject(REASON, RECORD), "FAILED", REASON)


@pytest.mark.parametrize(
    ("error", "attempt", "retry", "expected"),
    [
        pytest.param(OSError(), 1, None, DEAD_OF_POLICY, id="no policy: the first error is the last"),
        pytest.param(OSError(), 1, PLAIN, Failure(release(1.0), "RETRYING"), id="first retry"),
        pytest.param(OSError(), 2, PLAIN, Failure(release(2.0), "RETRYING"), id="second retry"),
        pytest.param(
            OSError(),
            3,
            PLAIN,
            Failure(Reject(f"{REASON} (attempt 3)", RECORD), "FAILED", f"{REASON} (attempt 3)"),
            id="retries used up",
        ),
        pytest.param(ValueError(), 1, OS_ONLY, DEAD_OF_POLICY, id="another type is not retried"),
        pytest.param(FileNotFoundError(), 1, OS_ONLY, Failure(release(1.0), "RETRYING"), id="a subtype is"),
        pytest.param(
            KeyboardInterrupt(), 1, PLAIN, DEAD_OF_POLICY, id="what is no Exception is not, by default"
        ),
        pytest.param(OSError(), 1, Retry(max=0), DEAD_OF_POLICY, id="max=0 retries nothing"),
    ],
)
def test_the_policy(error: BaseException, attempt: int, retry: Retry | None, expected: Failure) -> None:
    assert decide(error, attempt, retry) == expected


def test_max_is_retries_so_attempts_are_one_more() -> None:
    outcomes = [decide(OSError(), attempt, Retry(max=3)).outcome for attempt in range(1, 6)]
    assert [type(outcome) for outcome in outcomes] == [Release, Release, Release, Reject, Reject]


@pytest.mark.parametrize(
    ("signal", "attempt", "retry", "outcome", "state"),
    [
        (RetryLater(30), 1, None, release(30.0), "RETRYING"),
        (RetryLater("2m"), 3, None, release(120.0), "RETRYING"),
        (RetryLater(timedelta(seconds=5)), 1, PLAIN, release(5.0), "RETRYING"),
        (RetryLater(30), 4, None, Reject("RetryLater, but all 3 retries are used up", RECORD), "DEAD"),
        (RetryLater(30), 3, PLAIN, Reject("RetryLater, but all 2 retries are used up", RECORD), "DEAD"),
        (RetryLater(30, counted=False), 1, None, Release(30.0, counted=False), "RETRYING"),
        (RetryLater(30, counted=False), 1_000, PLAIN, Release(30.0, counted=False), "RETRYING"),
        (DeadLetter("bad address"), 1, PLAIN, Reject("bad address", RECORD), "DEAD"),
        (Drop("why"), 1, PLAIN, ACCEPT, "DROPPED"),
        (HandlerSignal("bare"), 1, PLAIN, Reject(REASON, RECORD), "FAILED"),
    ],
)
def test_the_handlers_own_word(
    signal: HandlerSignal, attempt: int, retry: Retry | None, outcome: Outcome, state: str
) -> None:
    failure = decide(signal, attempt, retry)
    assert (failure.outcome, failure.state) == (outcome, state)


def test_the_handlers_own_word_is_above_every_route() -> None:
    routes: ErrorRoutes = {HandlerSignal: DeadLetter("never"), BaseException: DeadLetter("never")}
    assert decide(Drop("mine"), routes=routes) == Failure(ACCEPT, "DROPPED", "mine")


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (FileNotFoundError(), ACCEPT),
        (PermissionError(), Reject("escalated", RECORD)),
        (ConnectionError(), release(7.0)),
        (ValueError(), release(9.0)),
        (KeyError(), release(1.0)),
    ],
)
def test_the_first_route_that_matches_wins(error: Exception, outcome: Outcome) -> None:
    routes: ErrorRoutes = {
        FileNotFoundError: Drop("gone"),
        ConnectionError: Retry(max=1, base=7, jitter=False),
        OSError: DeadLetter("escalated"),
        ValueError: RetryLater(9),
    }
    assert decide(error, retry=PLAIN, routes=routes).outcome == outcome


def test_a_routes_own_policy_ends_too() -> None:
    routes: ErrorRoutes = {OSError: Retry(max=1, base=7)}
    assert isinstance(decide(OSError(), 2, Retry(max=9), routes).outcome, Reject)


@given(st.integers(1, 50), st.integers(0, 50), st.floats(0, 1, exclude_max=True))
def test_only_dead_letters_and_drops_end_a_delivery(attempt: int, most: int, fraction: float) -> None:
    failure = decide(OSError(), attempt, Retry(max=most, max_delay=60), fraction=fraction)
    assert (failure.state == "RETRYING") == isinstance(failure.outcome, Release) == (attempt <= most)
    assert failure.outcome != ACCEPT

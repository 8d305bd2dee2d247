"""When to try again: a policy, and the decision it leads to."""

from __future__ import annotations

import msgspec

from postroad.core.delivery import Attempt
from postroad.core.durations import Duration, seconds
from postroad.core.outcome import ACCEPT, Outcome, Reject, Release
from postroad.errors import DeadLetter, Drop, HandlerSignal, InvalidOption, RetryLater

EXPONENT_MAX = 64


class Retry(msgspec.Struct, frozen=True):
    """Try again up to ``max`` times (so max + 1 attempts), waiting base * factor**n seconds, never above max_delay.

    ``jitter``: the wait is drawn between half and the whole of that. ``on``: the exception types retried.
    """

    max: int = 3
    base: Duration = 1.0
    factor: float = 2.0
    max_delay: Duration = 3600.0
    jitter: bool = True
    on: tuple[type[BaseException], ...] = (Exception,)

    def __post_init__(self) -> None:
        if self.max < 0 or self.factor < 1:
            raise InvalidOption(f"Retry(max={self.max}, factor={self.factor}): max must be >= 0 and factor >= 1.")
        seconds(self.base, "base")
        seconds(self.max_delay, "max_delay")

    def delay_s(self, attempt: int, fraction: float) -> float:
        """Seconds to wait after this attempt (1 is the first); ``fraction`` in [0, 1) is the caller's dice."""
        exponent = min(max(attempt - 1, 0), EXPONENT_MAX)
        whole = min(seconds(self.base) * self.factor**exponent, seconds(self.max_delay))
        return whole * (0.5 + fraction / 2) if self.jitter else whole


NO_RETRY = Retry(max=0)

Route = HandlerSignal | Retry
ErrorRoutes = dict[type[BaseException], Route]


class Failure(msgspec.Struct, frozen=True):
    """What becomes of a delivery whose handler raised. ``state``: the task state it leads to."""

    outcome: Outcome
    state: str
    reason: str = ""


def on_failure(
    error: BaseException, attempt: int, record: Attempt, retry: Retry | None, routes: ErrorRoutes, fraction: float
) -> Failure:
    """The decision: the handler's own word, else the first matching route, else the retry policy, else a dead letter."""
    route = error if isinstance(error, HandlerSignal) else first_route(error, routes)
    if isinstance(route, Retry):
        return from_policy(error, attempt, record, route, fraction)
    if isinstance(route, HandlerSignal):
        return from_signal(route, attempt, record, retry)
    return from_policy(error, attempt, record, retry or NO_RETRY, fraction)


def first_route(error: BaseException, routes: ErrorRoutes) -> Route | None:
    return next((route for kind, route in routes.items() if isinstance(error, kind)), None)


def from_policy(error: BaseException, attempt: int, record: Attempt, retry: Retry, fraction: float) -> Failure:
    if isinstance(error, retry.on) and attempt <= retry.max:
        return Failure(Release(retry.delay_s(attempt, fraction), counted=True, attempt=record), "RETRYING")
    reason = (
        f"{record.error_type}: {record.error}"
        if attempt == 1
        else f"{record.error_type}: {record.error} (attempt {attempt})"
    )
    return Failure(Reject(reason, attempt=record), "FAILED", reason)


def from_signal(signal: HandlerSignal, attempt: int, record: Attempt, retry: Retry | None) -> Failure:
    if isinstance(signal, RetryLater):
        return retried_later(signal, attempt, record, retry)
    if isinstance(signal, DeadLetter):
        return Failure(Reject(signal.reason, attempt=record), "DEAD", signal.reason)
    if isinstance(signal, Drop):
        return Failure(ACCEPT, "DROPPED", signal.reason)
    reason = f"{record.error_type}: {record.error}"
    return Failure(Reject(reason, attempt=record), "FAILED", reason)


def retried_later(signal: RetryLater, attempt: int, record: Attempt, retry: Retry | None) -> Failure:
    """An uncounted RetryLater goes on for ever by the handler's own word; a counted one ends with the policy."""
    limit = (retry or Retry()).max
    if signal.counted and attempt > limit:
        reason = f"RetryLater, but all {limit} retries are used up"
        return Failure(Reject(reason, attempt=record), "DEAD", reason)
    after_s = seconds(signal.after, "after")
    return Failure(Release(after_s, counted=signal.counted, attempt=record if signal.counted else None), "RETRYING")

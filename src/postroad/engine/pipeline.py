"""A delivery's way through its handler: expire, decode, run, encode, decide. Small steps over one value.

`run` serves handlers in threads, `run_async` coroutines; both share every step but the call itself.
"""

from __future__ import annotations

import random
import time
import traceback
from collections.abc import Callable
from typing import Any

import msgspec

from postroad.core.delivery import TRACEBACK_BYTES_MAX, Attempt, Delivery
from postroad.core.message import Send
from postroad.core.outcome import ACCEPT, Outcome, Reject, Release, Settlement
from postroad.core.retry import Failure, on_failure
from postroad.engine.context import CURRENT, HandlerContext
from postroad.engine.handler import Ending, Handler, Job
from postroad.errors import MessageError

TEXT_MAX = 2_000


class Pipeline:
    """Runs jobs and says how they end. ``worker`` names this process in records."""

    __slots__ = ("cancelled", "on_progress", "state", "worker")

    def __init__(self, worker: str, state: Any = None, on_progress: Callable[[str, str], None] | None = None) -> None:
        self.worker = worker
        self.state = state
        self.on_progress = on_progress
        self.cancelled: frozenset[str] = frozenset()

    def run(self, job: Job) -> Settlement:
        """Run a plain function's job in this thread. Never raises: whatever the handler raises is its ending."""
        if job.delivery.message.id in self.cancelled:
            return self.revoked(job)
        self.start(job)
        context = self.enter(job)
        try:
            args, kwargs = job.handler.decode(job.delivery.message)
            return self.succeeded(job, context, job.handler.function(*args, **kwargs))
        except BaseException as error:
            return self.failed(job, error)
        finally:
            context.buffer.closed = True
            CURRENT.set(None)

    async def run_async(self, job: Job) -> Settlement:
        """Run a coroutine function's job on this loop. Never raises."""
        if job.delivery.message.id in self.cancelled:
            return self.revoked(job)
        self.start(job)
        context = self.enter(job)
        try:
            args, kwargs = job.handler.decode(job.delivery.message)
            return self.succeeded(job, context, await job.handler.function(*args, **kwargs))
        except BaseException as error:
            return self.failed(job, error)
        finally:
            context.buffer.closed = True

    def start(self, job: Job) -> None:
        job.started_at = time.time()

    def enter(self, job: Job) -> HandlerContext:
        """What the handler can reach from now on, in this thread or coroutine."""
        context = HandlerContext(job.delivery, job.handler.name, self.state, self.on_progress)
        CURRENT.set(context)
        return context

    def succeeded(self, job: Job, context: HandlerContext, value: Any) -> Settlement:
        refuse_awaitable(job.handler.name, value)
        context.buffer.closed = True
        return self.ended_well(job, tuple(context.buffer.sends), value)

    def ended_well(self, job: Job, sends: tuple[Send, ...], value: Any = None) -> Settlement:
        """Its success, with what leaves then."""
        job.ended_at = time.time()
        ending = Ending("SUCCEEDED", job.started_at, job.ended_at, value=value, worker=self.worker)
        writes = job.handler.writes(job.delivery, ending)
        settlement = Settlement(job.delivery, ACCEPT, sends, writes)
        return accompanied(job, settlement) if job.handler.special else settlement

    def failed(self, job: Job, error: BaseException) -> Settlement:
        record = attempt_record(error, job.started_at, self.worker)
        job.ended_at = record.ended_at
        failure = decide(job.handler, job.delivery, error, record)
        settlement = self.ended(job.delivery, job.handler, failure, error, record)
        return accompanied(job, settlement) if job.handler.special else settlement

    def ended(
        self, delivery: Delivery, handler: Handler, failure: Failure, error: BaseException | None, record: Attempt
    ) -> Settlement:
        ending = Ending(
            failure.state,
            record.started_at,
            record.ended_at,
            error=error,
            attempt=record,
            reason=failure.reason,
            worker=self.worker,
        )
        return Settlement(delivery, failure.outcome, (), handler.writes(delivery, ending))

    def revoked(self, job: Job) -> Settlement:
        job.started_at = job.ended_at = time.time()
        return self.not_run(job.delivery, job.handler, "REVOKED", ACCEPT, "cancelled before it started")

    def not_run(self, delivery: Delivery, handler: Handler, state: str, outcome: Outcome, reason: str) -> Settlement:
        """The ending of a delivery whose handler was never entered: expired, cancelled, convicted."""
        return self.not_started(delivery, handler, Failure(outcome, state, reason))

    def not_started(self, delivery: Delivery, handler: Handler, failure: Failure) -> Settlement:
        now = time.time()
        record = Attempt("error", "", failure.reason, "", now, now, self.worker)
        return self.ended(delivery, handler, failure, None, record)


def accompanied(job: Job, settlement: Settlement) -> Settlement:
    """With the mark and what leaves along, when this is the delivery's end. One that is retried may step out of its lane."""
    if isinstance(settlement.outcome, Release):
        return stepping_aside(settlement) if job.handler.order_skip else settlement
    along = job.along
    sends, writes = settlement.sends + along.sends, settlement.writes + along.writes
    return Settlement(settlement.delivery, settlement.outcome, sends, writes, job.mark)


def stepping_aside(settlement: Settlement) -> Settlement:
    """As if its message had been sent with ``order_skip``: of its copies in several queues, each may be handled otherwise."""
    delivery = settlement.delivery
    if delivery.message.key is None or delivery.message.order_skip:
        return settlement
    message = msgspec.structs.replace(delivery.message, order_skip=True)
    return msgspec.structs.replace(settlement, delivery=msgspec.structs.replace(delivery, message=message))


def decide(handler: Handler, delivery: Delivery, error: BaseException, record: Attempt) -> Failure:
    """A body or a result that cannot be read or kept is never tried again: it would not get better."""
    if isinstance(error, MessageError) and not any(isinstance(error, kind) for kind in handler.routes):
        reason = f"{record.error_type}: {record.error}"
        return Failure(Reject(reason, record), "FAILED", reason)
    return on_failure(error, delivery.attempt, record, handler.retry, handler.routes, random.random())


def refuse_awaitable(name: str, value: Any) -> None:
    """A plain function that returns a coroutine has not run: say so, rather than succeed."""
    if hasattr(value, "__await__"):
        close = getattr(value, "close", None)
        if close is not None:
            close()
        raise TypeError(
            f"{name} returned {type(value).__name__}, which nobody awaited: make the handler 'async def', or await inside it."
        )


def attempt_record(error: BaseException, started_at: float, worker: str) -> Attempt:
    text = plain(describe_traceback(error))[-TRACEBACK_BYTES_MAX:]
    kind = type(error)
    qualified = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    return Attempt("error", qualified, describe(error), text, started_at, time.time(), worker)


def describe_traceback(error: BaseException) -> str:
    try:
        return "".join(traceback.format_exception(error))
    except Exception as broken:
        return f"(its traceback cannot be had: {type(broken).__name__})"


def plain(text: str) -> str:
    """As text that every store takes: no NUL, no half characters."""
    return text.replace("\0", "\ufffd").encode(errors="replace").decode()


def describe(error: BaseException) -> str:
    """The error's own words; an error whose __str__ raises must not take the consumer down."""
    try:
        return plain(str(error)[:TEXT_MAX])
    except Exception as broken:
        return f"(its text cannot be had: {type(broken).__name__})"

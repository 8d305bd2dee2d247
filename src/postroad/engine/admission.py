"""What must be known before a handler starts: may this delivery run at all?"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence

from postroad.core.delivery import Attempt, Delivery
from postroad.core.outcome import Reject, Release, Settlement
from postroad.engine.handler import Handler, Job, Resolve
from postroad.engine.pipeline import Pipeline

UNKNOWN_DELAYS_S = (1.0, 2.0, 5.0, 10.0, 30.0)


class Admission:
    """``known``: the names of all handlers here; ``unknown_grace_s``: how long a message with another name is kept.

    ``orphan``: writes what the store remembers of a message that ends without a handler.
    """

    def __init__(
        self,
        resolve: Resolve,
        pipeline: Pipeline,
        known: Callable[[], Sequence[str]],
        unknown_grace_s: float,
        orphan: Handler | None,
    ) -> None:
        self.resolve = resolve
        self.pipeline = pipeline
        self.known = known
        self.unknown_grace_s = unknown_grace_s
        self.orphan = orphan

    def admit(self, delivery: Delivery, now: float) -> Job | Settlement:
        """A job to run, or how the delivery ends without one."""
        handler = self.resolve(delivery)
        if handler is None:
            return self.unknown(delivery, now)
        if delivery.crashes >= handler.max_deliveries:
            return self.convicted(delivery, handler)
        expires_at = delivery.message.expires_at
        if expires_at is not None and expires_at <= now:
            return self.pipeline.not_started(delivery, handler, handler.expired("it was not started before it expired"))
        return Job(delivery, handler)

    def convicted(self, delivery: Delivery, handler: Handler) -> Settlement:
        reason = f"its process died in {delivery.crashes} of {delivery.crashes} starts (max_deliveries={handler.max_deliveries})"
        return self.pipeline.not_run(delivery, handler, "DEAD", Reject(reason, last_crash(delivery, reason)), reason)

    def unknown(self, delivery: Delivery, now: float) -> Settlement:
        """Kept for a while, for a worker that knows the name may be on its way; then a dead letter that names the known."""
        name = name_of(delivery)
        seen = [attempt.started_at for attempt in delivery.history if attempt.kind == "unknown"]
        if seen and now - seen[0] >= self.unknown_grace_s:
            return self.orphaned(delivery, name)
        record = Attempt("unknown", "UnknownTask", f"no handler {name!r} here", "", now, now, self.pipeline.worker)
        waited = now - seen[0] if seen else 0.0
        delay_s = next((step for step in UNKNOWN_DELAYS_S if step > waited), UNKNOWN_DELAYS_S[-1])
        return Settlement(delivery, Release(delay_s, attempt=None if seen else record))

    def orphaned(self, delivery: Delivery, name: str) -> Settlement:
        names = sorted(self.known())
        close = difflib.get_close_matches(name, names, n=1)
        hint = f" (did you mean {close[0]!r}?)" if close else ""
        reason = f"no worker knows a handler {name!r}{hint}; known here: {', '.join(names) or 'none'}"
        outcome = Reject(reason, Attempt("unknown", "UnknownTask", reason, worker=self.pipeline.worker))
        if self.orphan is None:
            return Settlement(delivery, outcome)
        return self.pipeline.not_run(delivery, self.orphan, "DEAD", outcome, reason)


def name_of(delivery: Delivery) -> str:
    """What its handler would be known by: a task's name, an event's type, else its queue."""
    headers = delivery.message.headers
    return headers.get("postroad-task") or headers.get("ce_type") or delivery.source


def last_crash(delivery: Delivery, reason: str) -> Attempt:
    """The letter shows the crash itself, not the bookkeeping; its kind is no second charge."""
    crashes = [attempt for attempt in delivery.history if attempt.kind == "crash"]
    worker = crashes[-1].worker if crashes else ""
    return Attempt("convicted", "WorkerCrashed", reason, worker=worker)

"""When the pipeline itself fails: the message is kept, whole, where people look for trouble."""

from __future__ import annotations

import time

from postroad.core.delivery import TRACEBACK_BYTES_MAX, Attempt
from postroad.core.outcome import Reject, Settlement
from postroad.engine.batching import BatchJob
from postroad.engine.executor import Ended
from postroad.engine.handler import Job


def settled_anyway(job: Job, error: BaseException) -> Ended:
    """A dead letter that says so. An executor's thread or task never ends for an error."""
    if isinstance(job, BatchJob):
        return [(one, dead_letter(one, error)) for one in job.jobs]
    return dead_letter(job, error)


def dead_letter(job: Job, error: BaseException) -> Settlement:
    import traceback

    kind, text = type(error).__qualname__, str(error)
    trace = "".join(traceback.format_exception(error))[-TRACEBACK_BYTES_MAX:]
    record = Attempt("error", kind, text, trace, job.started_at, time.time())
    reason = f"Its ending could not be decided: {kind}: {text}. The message is kept here; redrive it when that is mended."
    return Settlement(job.delivery, Reject(reason, record))

"""States and what may follow what, as tables."""

from __future__ import annotations

from postroad.errors import UsageError

TASK_STATES = (
    "SCHEDULED", "PENDING", "RUNNING", "RETRYING", "SUCCEEDED", "FAILED", "REVOKED", "EXPIRED", "DEAD", "DROPPED",
)  # fmt: skip
TERMINAL_STATES = frozenset({"SUCCEEDED", "FAILED", "REVOKED", "EXPIRED", "DEAD", "DROPPED"})

WORKER_STATES: dict[str, tuple[str, ...]] = {
    "STARTING": ("RUNNING", "DRAINING", "STOPPED"),
    "RUNNING": ("QUIET", "DRAINING", "STOPPED"),
    "QUIET": ("RUNNING", "DRAINING", "STOPPED"),
    "DRAINING": ("STOPPED",),
    "STOPPED": (),
}


def advance(state: str, to: str) -> str:
    """The new worker state. Raises UsageError where the table does not allow it."""
    if to not in WORKER_STATES[state]:
        raise UsageError(
            f"A worker cannot go from {state} to {to}; from {state} it may go to {WORKER_STATES[state] or 'nothing'}."
        )
    return to

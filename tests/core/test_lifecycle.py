"""The state tables."""

from __future__ import annotations

import itertools

import pytest

from postroad.core.lifecycle import TASK_STATES, TERMINAL_STATES, WORKER_STATES, advance
from postroad.errors import UsageError

ALLOWED = {
    ("STARTING", "RUNNING"),
    ("STARTING", "DRAINING"),
    ("STARTING", "STOPPED"),
    ("RUNNING", "QUIET"),
    ("RUNNING", "DRAINING"),
    ("RUNNING", "STOPPED"),
    ("QUIET", "RUNNING"),
    ("QUIET", "DRAINING"),
    ("QUIET", "STOPPED"),
    ("DRAINING", "STOPPED"),
}
PAIRS = list(itertools.product(WORKER_STATES, WORKER_STATES))


@pytest.mark.parametrize(("state", "to"), [pair for pair in PAIRS if pair in ALLOWED])
def test_a_worker_may(state: str, to: str) -> None:
    assert advance(state, to) == to


@pytest.mark.parametrize(("state", "to"), [pair for pair in PAIRS if pair not in ALLOWED])
def test_a_worker_may_not(state: str, to: str) -> None:
    with pytest.raises(UsageError, match=f"from {state} to {to}"):
        advance(state, to)


def test_a_worker_can_stop_from_everywhere() -> None:
    for state in WORKER_STATES:
        assert state == "STOPPED" or "STOPPED" in WORKER_STATES[state]
    assert WORKER_STATES["STOPPED"] == ()


def test_task_states_are_those_users_are_told() -> None:
    waiting = {"SCHEDULED", "PENDING", "RUNNING", "RETRYING"}
    assert set(TASK_STATES) == waiting | TERMINAL_STATES
    assert not waiting & TERMINAL_STATES
    assert len(TASK_STATES) == len(set(TASK_STATES)) == 10

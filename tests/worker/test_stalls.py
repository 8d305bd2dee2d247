"""Children that hang: their stacks are in the log, they are replaced, and what they held is run by others."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

import pytest

from tests.worker.conftest import StartTree
from tests.worker.handlers import eventually
from tests.worker.tree import gone

Lines = Callable[[str], list[str]]


@pytest.mark.bad_input
@pytest.mark.parametrize("task", ["hold_the_gil", "block_the_loop"])
def test_a_hanging_call_is_killed_and_its_stacks_are_told(task: str, jobs: Any, tree: StartTree, lines: Lines) -> None:
    worker = tree(threads=1, stall_limit_s=2, drain_s=0).ready()
    hanging = getattr(jobs, task).delay()
    (pid,) = map(int, eventually(lambda: lines("holding"), "holding"))
    eventually(lambda: gone(pid), "killed", 15)
    eventually(lambda: "stalled" in worker.log and f"in {task}" in worker.log, "told, with stacks")
    (message,) = jobs.app.ask(lambda driver: driver.list_messages("default", 10))
    assert message.id == hanging.id and message.crashes >= 1


@pytest.mark.bad_input
def test_a_stopped_child_is_killed_and_loses_nothing(jobs: Any, tree: StartTree, lines: Lines) -> None:
    worker = tree(processes=1, threads=1, stall_limit_s=2).ready()
    running = jobs.busy.delay(5)
    eventually(lambda: lines("busy"), "busy")
    waiting = jobs.add.delay(1, 2)
    (child,) = worker.children()
    os.kill(child, signal.SIGSTOP)
    (jobs.HERE / "go-on").touch()
    assert waiting.get(timeout=20) == 3
    assert running.get(timeout=20) == 5
    assert gone(child)
    assert "stalled" in worker.log


def test_a_long_handler_is_told_and_left_running(jobs: Any, tree: StartTree, lines: Lines) -> None:
    worker = tree(threads=1, stall_limit_s=1).ready()
    running = jobs.busy.delay(5)
    eventually(lambda: "have been running" in worker.log and "in busy" in worker.log, "told")
    (jobs.HERE / "go-on").touch()
    assert running.get(timeout=10) == 5
    assert lines("busy") == ["5"]

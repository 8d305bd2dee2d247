"""Children that hang: their stacks are in the log, they are replaced, and what they held is run by others."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.worker.conftest import StartTree
from tests.worker.handlers import eventually
from tests.worker.tree import gone, write_module

Lines = Callable[[str], list[str]]


@pytest.mark.parametrize("task", ["hold_the_gil", "block_the_loop"])
def test_a_hanging_call_is_killed_and_its_stacks_are_told(task: str, jobs: Any, tree: StartTree, lines: Lines) -> None:
    worker = tree(threads=1, stall_limit_s=2, drain_s=0).ready()
    hanging = getattr(jobs, task).delay()
    (pid,) = map(int, eventually(lambda: lines("holding"), "holding"))
    eventually(lambda: gone(pid), "killed", 15)
    eventually(lambda: "stalled" in worker.log and f"in {task}" in worker.log, "told, with stacks")
    held = lambda: jobs.app.ask(lambda driver: driver.list_messages("default", 10))  # noqa: E731
    eventually(lambda: [(one.id, one.crashes >= 1) for one in held()] == [(hanging.id, True)], "kept, and charged")


WEDGED = """
import asyncio
from pathlib import Path
from postroad import App
from postroad.engine.consumer import ConsumerLoop

app = App(f"sqlite:///{Path(__file__).parent}/jobs.db", name="wedged")
step = ConsumerLoop.step

async def wedge(self):
    if not Path("mended").exists():
        await asyncio.sleep(3600)
    await step(self)

ConsumerLoop.step = wedge

@app.task(name="jobs.add")
def add(a: int, b: int) -> int:
    return a + b
"""


def test_a_consumer_that_takes_nothing_is_replaced(jobs: Any, tree: StartTree, tmp_path: Path) -> None:
    """A fault put into the consumer: it never turns. Readiness goes, the child is replaced, its successor works."""
    write_module(tmp_path, "wedged", WEDGED)
    worker = tree(app="wedged:app", progress_limit_s=1.0, drain_s=0.2).ready()
    waiting = jobs.add.delay(1, 2)
    eventually(lambda: "takes nothing though messages wait" in worker.log, "noticed")
    eventually(lambda: not worker.ready_file.exists(), "not ready")
    (tmp_path / "mended").touch()
    assert waiting.get(timeout=15) == 3
    eventually(worker.ready_file.exists, "ready again")


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

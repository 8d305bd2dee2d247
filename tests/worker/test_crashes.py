"""Deaths: the guilty are convicted, the innocent are not charged, and what was held comes back at once."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest
from tests.worker.conftest import StartTree
from tests.worker.handlers import eventually
from tests.worker.tree import gone, kill

from postroad.errors import TaskDead
from postroad.ports.driver import DeadLetterFilter

Lines = Callable[[str], list[str]]


def letters(jobs: Any) -> list[Any]:
    return list(jobs.app.ask(lambda driver: driver.dead_letters(DeadLetterFilter(), 100)))


def test_poison_is_convicted_and_its_neighbours_are_not(jobs: Any, tree: StartTree, lines: Lines) -> None:
    worker = tree(processes=1, threads=5).ready()
    neighbours = [jobs.busy.delay(number) for number in range(4)]
    eventually(lambda: len(lines("busy")) == 4, "four busy")
    poison = jobs.poison.delay()
    eventually(lambda: lines("poisoned"), "the first death")
    (jobs.HERE / "go-on").touch()
    eventually(lambda: letters(jobs), "a dead letter", 25)
    assert [result.get(timeout=10) for result in neighbours] == [0, 1, 2, 3]
    (letter,) = letters(jobs)
    assert letter.message.id == poison.id
    assert "5" in letter.reason and letter.crashes == 5
    assert len(lines("poisoned")) == 5, worker.log
    assert {attempt.kind for attempt in letter.history} <= {"crash", "convicted"}
    with pytest.raises(TaskDead):
        poison.get(timeout=5)


TRIES = 3
LAST_DONE_S = 3.0
BUSY_MACHINE = 2.0


def test_kill_9_of_the_tree_and_a_restart(jobs: Any, tree: StartTree, lines: Lines) -> None:
    """In one of three tries within the time, or twice of it while the machine has as much again to do for others."""
    busy = os.getloadavg()[0] > BUSY_MACHINE * (os.cpu_count() or 1)
    limit_s = LAST_DONE_S * (2 if busy else 1)
    took_s: list[float] = []
    while len(took_s) < TRIES and (not took_s or took_s[-1] > limit_s):
        took_s.append(killed_and_restarted(jobs, tree, lines))
    print(f"\nall done {', '.join(f'{one:.2f}' for one in took_s)} s after the restart")
    assert took_s[-1] <= limit_s
    assert letters(jobs) == []


def killed_and_restarted(jobs: Any, tree: StartTree, lines: Lines) -> float:
    """Seconds from the new start to the end of the last of 100 tasks."""
    for name in ("started", "ended"):
        (jobs.HERE / name).unlink(missing_ok=True)
    first = tree(app="jobs:plain", processes=2, threads=5).ready()
    jobs.plain.send_many([jobs.plain_nap.s(number) for number in range(100)])
    eventually(lambda: len(lines("started")) >= 15, "under way")
    first.kill_all()
    began = time.time()
    second = tree(app="jobs:plain", processes=2, threads=5)
    eventually(lambda: {line.split()[0] for line in lines("ended")} == {str(n) for n in range(100)}, "all done", 20)
    took_s = time.time() - began
    assert len(lines("started")) <= 110, "handler starts <= messages + kills x slots"
    second.kill_all()
    return took_s


def test_a_killed_child_charges_what_ran_and_only_that(jobs: Any, tree: StartTree, lines: Lines) -> None:
    worker = tree(processes=1, threads=1).ready()
    running = jobs.busy.delay(1)
    eventually(lambda: lines("busy"), "busy")
    waiting = jobs.busy.delay(2)
    (child,) = worker.children()
    kill(child)
    eventually(lambda: lines("busy") == ["1", "2"], "the innocent one first")
    assert "killed by SIGKILL" in worker.log
    located = {one.id: one for one in jobs.app.ask(lambda driver: driver.list_messages("default", 10))}
    assert {id: one.crashes for id, one in located.items()} == {running.id: 1, waiting.id: 0}
    (jobs.HERE / "go-on").touch()
    assert [running.get(timeout=10), waiting.get(timeout=10)] == [1, 2]


def test_a_forked_copy_does_not_hold_its_dead_parents_seat(jobs: Any, tree: StartTree, lines: Lines) -> None:
    worker = tree(processes=1, threads=2).ready()
    copy = jobs.leave_a_grandchild.delay().get(timeout=10)
    try:
        jobs.busy.delay(1)
        eventually(lambda: lines("busy"), "busy")
        (child,) = worker.children()
        kill(worker.process.pid)
        kill(child)
        worker.process.wait()
        assert not gone(copy)
        tree(processes=1, threads=2).ready()
        eventually(lambda: len(lines("busy")) == 2, "taken over while the copy lives", 10)
        assert not gone(copy)
        (jobs.HERE / "go-on").touch()
    finally:
        kill(copy)


def test_a_copy_that_returns_from_the_handler_ends_quietly(jobs: Any, tree: StartTree) -> None:
    tree(threads=2).ready()
    assert jobs.fork_and_return.delay().get(timeout=15) == 0
    assert jobs.add.delay(1, 1).get(timeout=10) == 2


def test_a_copy_that_is_terminated_takes_the_signal_alone(jobs: Any, tree: StartTree) -> None:
    worker = tree(threads=2).ready()
    before = worker.children()
    assert jobs.terminate_a_copy.delay().get(timeout=15) == signal.SIGTERM
    assert jobs.add.delay(1, 1).get(timeout=10) == 2
    assert worker.children() == before
    assert "drained" not in worker.log


def test_subprocesses_of_handlers_inherit_no_seat_and_no_socket(jobs: Any, tree: StartTree) -> None:
    tree().ready()
    open_files = jobs.descriptors_of_a_subprocess.delay().get(timeout=15)
    assert not [name for name in open_files if "socket" in name or "-run/" in name], open_files

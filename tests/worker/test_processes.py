"""executor="process": a process of its own, one task at a time; its death is its own message's alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.worker.conftest import StartTree
from tests.worker.handlers import eventually
from tests.worker.tree import below, gone, kill

from postroad.ports.driver import DeadLetterFilter

Lines = Callable[[str], list[str]]


def test_it_runs_elsewhere_and_the_process_is_kept(jobs: Any, tree: StartTree) -> None:
    worker = tree(threads=1, solos=1).ready()
    assert len(below(worker.process.pid)) == 1, "solos start when they are needed"
    pids = [jobs.pid_alone.delay().get(timeout=15) for _ in range(3)]
    assert len(set(pids)) == 1
    assert pids[0] not in (jobs.pid.delay().get(timeout=10), worker.process.pid)


def test_a_crash_is_charged_to_its_own_message(jobs: Any, tree: StartTree, lines: Lines) -> None:
    worker = tree(threads=2, solos=1).ready()
    neighbour = jobs.busy.delay(1)
    eventually(lambda: lines("busy"), "busy")
    poison = jobs.poison_alone.delay()
    (letter,) = eventually(lambda: jobs.app.ask(lambda driver: driver.dead_letters(DeadLetterFilter(), 10)), "dead letter")
    assert letter.message.id == poison.id
    assert "its process died 2 times" in letter.reason and "SIGKILL" in letter.reason
    assert (letter.crashes, len(lines("poisoned"))) == (2, 2)
    (jobs.HERE / "go-on").touch()
    assert neighbour.get(timeout=10) == 1
    assert lines("busy") == ["1"], "the neighbour went on undisturbed"
    assert "place is filled again" not in worker.log


def test_it_ends_with_its_child(jobs: Any, tree: StartTree, lines: Lines) -> None:
    worker = tree(solos=1).ready()
    jobs.busy_alone.delay()
    (solo,) = map(int, eventually(lambda: lines("alone"), "alone"))
    (child,) = worker.children()
    kill(worker.process.pid)
    kill(child)
    eventually(lambda: gone(solo), "the solo is gone")

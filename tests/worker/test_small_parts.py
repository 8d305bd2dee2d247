"""Options, back-off, words about deaths, watched sources, lines on the control socket."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from postroad.errors import InvalidOption, NotSupported
from postroad.worker import backoff
from postroad.worker.control import Configure, Drain, Link, Seated, send
from postroad.worker.nursery import refuse_memory
from postroad.worker.options import WorkerOptions, checked
from postroad.worker.room import Room
from postroad.worker.solos import death_in_words
from postroad.worker.sources import SourceTree


@pytest.mark.parametrize("name", ["max_tasks_per_child", "max_memory_per_child"])
def test_what_is_not_built_is_said(name: str) -> None:
    with pytest.raises(NotSupported, match=f"{name}: not built yet"):
        checked(WorkerOptions(app="a:b", **{name: 5}))


@pytest.mark.parametrize(("name", "value"), [("processes", 0), ("threads", 0), ("prefetch", 0), ("drain_s", -1), ("stall_limit_s", 0.5)])
def test_options_out_of_range_are_refused(name: str, value: float) -> None:
    with pytest.raises(InvalidOption, match=name):
        checked(WorkerOptions(app="a:b", **{name: value}))


def test_memory_with_several_processes_is_refused() -> None:
    with pytest.raises(NotSupported, match=r"sqlite:///.*app\.run\(\)"):
        refuse_memory("memory://")


def test_each_early_death_costs_more_and_health_forgives() -> None:
    deaths = backoff.Backoff()
    waits = [deaths.died(1.0) for _ in range(12)]
    assert all(backoff.FIRST_S / 2 <= wait <= backoff.MAX_S for wait in waits)
    assert waits[0] <= backoff.FIRST_S and waits[-1] >= backoff.MAX_S / 2
    assert deaths.died(backoff.HEALTHY_S) <= backoff.FIRST_S


@pytest.mark.parametrize(("code", "words"), [(-9, "killed by SIGKILL"), (3, "exit code 3"), (-250, "killed by signal 250")])
def test_deaths_in_words(code: int, words: str) -> None:
    assert words in death_in_words(code)


def test_every_slot_has_one_owner() -> None:
    room = Room(threads=3, coroutines=5, solos=2)
    assert room.coroutine_slots == range(3, 8)
    assert room.slots == 3 + 5 + 2 + 2


def test_changes_of_sources_are_seen_and_others_are_not(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("one = 1")
    tree = SourceTree(str(tmp_path))
    assert tree.changed() == ""
    (tmp_path / "notes.txt").write_text("no source")
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "x.py").write_text("")
    assert tree.changed() == ""
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg" / "tasks.py").write_text("")
    assert tree.changed() == str(Path("pkg", "tasks.py"))
    os.utime(tmp_path / "app.py", ns=(1, 1))
    assert tree.changed() == "app.py"
    (tmp_path / "app.py").unlink()
    assert tree.changed() == "app.py"
    assert tree.changed() == ""


def test_words_and_descriptors_cross_the_control_socket(tmp_path: Path) -> None:
    here, there = socket.socketpair()
    link = Link(there)
    send(here, Configure(WorkerOptions(app="shop:app", queues=("media",))))
    with (tmp_path / "lock").open("w") as file:
        send(here, Seated("seat", "path", 3), (file.fileno(), file.fileno()))
    send(here, Drain(2.5))
    here.close()
    assert link.wait() == Configure(WorkerOptions(app="shop:app", queues=("media",)))
    assert link.wait() == Seated("seat", "path", 3)
    assert len(link.descriptors) == 2 and os.fstat(link.descriptors[0]).st_ino == (tmp_path / "lock").stat().st_ino
    assert link.wait() == Drain(2.5)
    assert link.wait() is None

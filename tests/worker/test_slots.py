"""Start slots: what the child writes is what the supervisor reads, also after a SIGKILL."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from postroad.core.slots import running
from postroad.worker.slots import LOOP_SLOTS, StartSlots, acquit, read_slots


def slots_file(folder: Path) -> str:
    path = folder / "slots"
    path.touch()
    return str(path)


def test_what_enters_is_read_until_it_leaves(tmp_path: Path) -> None:
    path = slots_file(tmp_path)
    slots = StartSlots(path, 3 + LOOP_SLOTS)
    slots.enter(1, (7, 42))
    assert read_slots(path).busy == (1,)
    assert running(Path(path).read_bytes()) == [(7, 42)]
    slots.leave(1)
    assert read_slots(path).busy == ()
    assert read_slots(path).handler_beats == (0, 2, 0)


def test_the_loops_beat_and_nothing_is_charged_to_them(tmp_path: Path) -> None:
    path = slots_file(tmp_path)
    slots = StartSlots(path, 1 + LOOP_SLOTS)
    before = read_slots(path)
    slots.beat_engine_loop(progress=99)
    slots.beat_user_loop()
    after = read_slots(path)
    assert after.engine_beat != before.engine_beat and after.user_beat != before.user_beat
    assert after.progress == 99
    assert running(Path(path).read_bytes()) == [] and after.busy == ()


def test_acquitted_starts_are_charged_to_nobody(tmp_path: Path) -> None:
    path = slots_file(tmp_path)
    slots = StartSlots(path, 4 + LOOP_SLOTS)
    slots.enter(0, (1, 1))
    slots.enter(3, (1, 2))
    assert acquit(path) == 2
    assert running(Path(path).read_bytes()) == []


def test_a_killed_process_leaves_its_starts_behind(tmp_path: Path) -> None:
    path = slots_file(tmp_path)
    code = f"""
import os, signal
from postroad.worker.slots import StartSlots
slots = StartSlots({path!r}, 6)
slots.enter(2, (5, 6))
os.kill(os.getpid(), signal.SIGKILL)
"""
    ended = subprocess.run([sys.executable, "-c", code], timeout=20, check=False, env=os.environ)
    assert ended.returncode == -signal.SIGKILL
    assert running(Path(path).read_bytes()) == [(5, 6)]

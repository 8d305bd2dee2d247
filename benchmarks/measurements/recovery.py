"""How soon everything is done after the whole worker tree was killed and started again."""

from __future__ import annotations

import time

from benchmarks import marks
from benchmarks.errors import BenchmarkError
from benchmarks.measurement import Entrant, Figure, Measurement, Sample, Turn

TASKS = 100
LENGTH_S = 0.1
KILLED_AFTER_S = 0.3


def _recovery(turn: Turn) -> Sample:
    stage = turn.stage
    stage.produce("verb", name="put_naps", count=TASKS, length_s=LENGTH_S)
    stage.start()
    stage.await_marks(1)
    time.sleep(KILLED_AFTER_S)
    stage.kill()
    before = len(_ended(turn))
    if before >= TASKS:
        raise BenchmarkError("all tasks ended before the kill: the machine stood still too long; run it again.")
    restarted_ns = marks.now_ns()
    stage.start()
    stage.await_until(lambda: len(_ended(turn)) == TASKS, f"the end of all {TASKS} tasks")
    return {
        "seconds": (max(_ended(turn).values()) - restarted_ns) / 1e9,
        "before": before,
        "again": _repeated(turn),
    }


def _ended(turn: Turn) -> dict[int, int]:
    """Task -> when it first ended."""
    ended: dict[int, int] = {}
    for mark in marks.read(turn.stage.marks_path):
        if mark.tag > 0:
            ended.setdefault(mark.tag, mark.at_ns)
    return ended


def _repeated(turn: Turn) -> int:
    starts = [mark.tag for mark in marks.read(turn.stage.marks_path) if mark.tag < 0]
    return len(starts) - len(set(starts))


RECOVERY = Measurement(
    name="recovery",
    title="After SIGKILL of the whole tree",
    about=(
        f"{TASKS} tasks of {LENGTH_S} s on two processes of five threads; the tree is killed "
        f"{KILLED_AFTER_S} s after the first start and started again at once: seconds "
        "from that start until the last task is done."
    ),
    figures=(
        Figure("seconds", "s", 2),
        Figure("before", "done before the kill"),
        Figure("again", "run again"),
    ),
    entrants=(Entrant("Postroad", "postroad"),),
    measure=_recovery,
    runs_min=5,
)

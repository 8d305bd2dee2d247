"""What a worker tree costs that has nothing to do."""

from __future__ import annotations

import time

from benchmarks import processtree
from benchmarks.errors import BenchmarkError
from benchmarks.measurement import Entrant, Figure, Measurement, Sample, Turn
from benchmarks.producer import WARM_UP

SETTLE_S = 3.0


def _idle(turn: Turn) -> Sample:
    idle_s = float(turn.scaled(20, 3))
    turn.stage.start()
    turn.stage.produce("fill", count=WARM_UP)
    turn.stage.await_marks(WARM_UP)
    time.sleep(SETTLE_S)
    tree = turn.stage.tree()
    before_s = processtree.cpu_s(tree)
    time.sleep(idle_s)
    if set(turn.stage.tree()) != set(tree):
        raise BenchmarkError(f"a process of the idle worker tree was replaced; its log ends:\n{turn.stage.log_tail()}")
    used_s = processtree.cpu_s(tree) - before_s
    return {"pss": processtree.pss_mb(tree), "cpu": used_s / idle_s * 100, "processes": len(tree)}


IDLE = Measurement(
    name="idle",
    title="Idle",
    about=(
        "A worker tree with two processes of five threads, 20 s without a task: memory (PSS) and CPU time "
        "of all its processes."
    ),
    figures=(Figure("pss", "MB", 1), Figure("cpu", "CPU % of one core", 2), Figure("processes", "processes")),
    entrants=(
        Entrant("Postroad", "postroad"),
        Entrant("dramatiq, Redis", "dramatiq"),
        Entrant("huey, SQLite", "huey"),
        Entrant("celery, Redis", "celery"),
        Entrant("taskiq, Redis list", "taskiq"),
    ),
    measure=_idle,
    runs_max=1,
)

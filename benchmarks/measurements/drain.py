"""How fast workers empty a queue of no-op tasks."""

from __future__ import annotations

from benchmarks import marks, processtree
from benchmarks.measurement import Entrant, Figure, Measurement, Sample, Turn

TASKS_MIN = 1_000


def drain(turn: Turn) -> Sample:
    count = max(TASKS_MIN, int(turn.tasks * turn.entrant.tasks_share))
    filled = turn.stage.produce("fill", count=count)
    turn.stage.start()
    used_s = _cpu_of(turn, count)
    turn.stage.stop()
    rate = marks.rate(marks.read(turn.stage.marks_path))
    return {"rate": rate, "cpu_us": used_s / count * 1e6, "fill_rate": filled["rate"]}


def _cpu_of(turn: Turn, count: int) -> float:
    """CPU seconds of the workers from the first task to the last: a busy machine changes them less than the rate."""
    turn.stage.await_marks(1)
    tree = turn.stage.tree()
    before_s = processtree.cpu_s(tree)
    turn.stage.await_marks(count)
    return processtree.cpu_s(tree) - before_s


DRAIN = Measurement(
    name="drain",
    title="Draining a queue",
    about=("No-op tasks wait; two worker processes of five threads each handle them: from the first to the last."),
    figures=(
        Figure("rate", "tasks/s"),
        Figure("cpu_us", "workers' CPU us a task", 1),
        Figure("fill_rate", "put in bulk, tasks/s"),
    ),
    entrants=(
        Entrant("bare loop", "bare", "Postroad"),
        Entrant("Postroad", "postroad", "Postroad"),
        Entrant("Postroad, async", "postroad-async", "Postroad"),
        Entrant("dramatiq, Redis", "dramatiq", "Postroad"),
        Entrant("huey, SQLite", "huey", "Postroad", note="at most once"),
        Entrant("celery, Redis", "celery", "Postroad", note="at most once"),
        Entrant("taskiq, Redis list, async", "taskiq", "Postroad, async", note="at most once"),
        Entrant("Postroad, results", "postroad-results", "Postroad, results"),
        Entrant("dramatiq, Redis, results", "dramatiq-results", "Postroad, results"),
        Entrant("huey, SQLite, results", "huey-results", "Postroad, results", note="at most once"),
        Entrant("celery, Redis, results", "celery-results", "Postroad, results", note="at most once"),
    ),
    measure=drain,
    ratio_heading="Postroad is … times this",
)

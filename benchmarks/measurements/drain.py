"""How fast workers empty a queue of no-op tasks."""

from __future__ import annotations

from benchmarks import marks
from benchmarks.measurement import Entrant, Figure, Measurement, Sample, Turn

TASKS_MIN = 1_000


def _drain(turn: Turn) -> Sample:
    count = max(TASKS_MIN, int(turn.tasks * turn.entrant.tasks_share))
    filled = turn.stage.produce("fill", count=count)
    turn.stage.start()
    turn.stage.await_marks(count)
    turn.stage.stop()
    return {"rate": marks.rate(marks.read(turn.stage.marks_path)), "fill_rate": filled["rate"]}


DRAIN = Measurement(
    name="drain",
    title="Draining a queue",
    about=("No-op tasks wait; two worker processes of five threads each handle them: from the first to the last."),
    figures=(Figure("rate", "tasks/s"), Figure("fill_rate", "put in bulk, tasks/s")),
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
    measure=_drain,
    ratio_heading="Postroad is … times this",
)

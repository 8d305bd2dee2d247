"""How fast one producer puts tasks: each durable before the next is put, and many in one call."""

from __future__ import annotations

from benchmarks.measurement import Entrant, Figure, Measurement, Sample, Turn

SENT_MANY = 100_000


def _one_by_one(turn: Turn) -> Sample:
    count = turn.scaled(turn.entrant.count, 200)
    return dict(turn.stage.produce("one_by_one", count=count))


def _many(turn: Turn) -> Sample:
    return dict(turn.stage.produce("fill", count=turn.scaled(SENT_MANY, 5_000)))


ENQUEUE = Measurement(
    name="enqueue",
    title="Putting tasks one by one",
    about=(
        "One producer; each task is accepted before the next is put. Postroad, huey and the bare insert "
        "sync the file each time; Redis keeps nothing on disk here."
    ),
    figures=(Figure("rate", "tasks/s"),),
    entrants=(
        Entrant("bare `INSERT; COMMIT`", "bare", "Postroad `delay`", 5_000),
        Entrant("Postroad `delay`", "postroad", "Postroad `delay`", 5_000),
        Entrant("huey, SQLite", "huey", "Postroad `delay`", 5_000),
        Entrant("dramatiq, Redis", "dramatiq", "Postroad `delay`", 5_000, "not on disk"),
        Entrant("celery, Redis", "celery", "Postroad `delay`", 2_000, "not on disk"),
        Entrant("taskiq, Redis list", "taskiq", "Postroad `delay`", 5_000, "not on disk"),
    ),
    measure=_one_by_one,
    ratio_heading="Postroad is … times this",
)

SEND_MANY = Measurement(
    name="send_many",
    title="Putting many tasks at once",
    about=f"`send_many` of {SENT_MANY:,} no-op tasks, in calls of 50,000.",
    figures=(Figure("rate", "tasks/s"),),
    entrants=(Entrant("Postroad `send_many`", "postroad"),),
    measure=_many,
)

"""How long after it was sent a task runs, when the worker has nothing else to do."""

from __future__ import annotations

from benchmarks import marks
from benchmarks.measurement import Entrant, Figure, Measurement, Sample, Turn
from benchmarks.producer import WARM_UP
from benchmarks.quantiles import p50_p99

GAP_S = 0.02


def _latency(turn: Turn) -> Sample:
    count = turn.scaled(300, 20)
    turn.stage.start()
    turn.stage.produce("fill", count=WARM_UP)
    turn.stage.await_marks(WARM_UP)
    turn.stage.produce("stamps", count=WARM_UP + count, gap_s=GAP_S)
    turn.stage.await_marks(WARM_UP + WARM_UP + count)
    stamped = [mark for mark in marks.read(turn.stage.marks_path) if mark.tag]
    by_sending = sorted(stamped, key=lambda mark: mark.tag)[WARM_UP:]
    return p50_p99([(mark.at_ns - mark.tag) / 1e6 for mark in by_sending])


LATENCY = Measurement(
    name="latency",
    title="From sending to running, idle",
    about="One task about every 20 ms into an idle worker tree: from just before sending until it runs.",
    figures=(Figure("p50", "p50 ms", 2), Figure("p99", "p99 ms", 2)),
    entrants=(
        Entrant("Postroad", "postroad", "Postroad"),
        Entrant("dramatiq, Redis", "dramatiq", "Postroad"),
        Entrant("huey, SQLite", "huey", "Postroad"),
        Entrant("celery, Redis", "celery", "Postroad"),
        Entrant("taskiq, Redis list", "taskiq", "Postroad"),
    ),
    measure=_latency,
    ratio_heading="Postroad's p50 is … times this",
)

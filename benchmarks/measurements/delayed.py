"""What tasks that are not yet due cost a worker, and how late those run that are."""

from __future__ import annotations

import time

from benchmarks import marks, processtree
from benchmarks.measurement import Entrant, Figure, Measurement, Sample, Turn
from benchmarks.producer import WARM_UP
from benchmarks.quantiles import p50_p99

FAR = 100_000
DUE = 1_000
SETTLE_S = 2.0


def _delayed(turn: Turn) -> Sample:
    stage = turn.stage
    stage.start()
    stage.produce("fill", count=WARM_UP)
    stage.await_marks(WARM_UP)
    before_mb = processtree.rss_mb(stage.tree())
    stage.produce("verb", name="put_far", count=turn.scaled(FAR, 5_000))
    time.sleep(SETTLE_S)
    grown_mb = processtree.rss_mb(stage.tree()) - before_mb
    return {"growth": grown_mb, **_lateness(turn)}


def _lateness(turn: Turn) -> Sample:
    due = turn.scaled(DUE, 100)
    span_s = float(turn.scaled(10, 2))
    turn.stage.produce("verb", name="put_due", count=due, first_s=5.0, span_s=span_s)
    turn.stage.await_marks(WARM_UP + due)
    late = [mark.tag / 1e6 for mark in marks.read(turn.stage.marks_path) if mark.tag]
    return p50_p99(late)


DELAYED = Measurement(
    name="delayed",
    title="Delayed tasks",
    about=(
        f"{FAR:,} tasks due in an hour are put beside an idle worker tree: how much its memory (RSS) grows. "
        f"Then {DUE:,} tasks due one after another over 10 s: how late they run."
    ),
    figures=(
        Figure("growth", "growth MB", 1),
        Figure("p50", "late p50 ms", 2),
        Figure("p99", "late p99 ms", 2),
    ),
    entrants=(Entrant("Postroad", "postroad"),),
    measure=_delayed,
)

"""How fast events are published, handed to their groups and handled, from the first publish to the last handler."""

from __future__ import annotations

import time

from benchmarks import marks
from benchmarks.errors import Stalled
from benchmarks.measurement import Entrant, Figure, Measurement, Sample, Turn
from benchmarks.stage import Stage

WARM_UP = 100
WARM_UPS_MAX = 20
QUIET_S = 0.7
COUNT_MIN = 1_000


def _events(turn: Turn) -> Sample:
    stage, groups = turn.stage, turn.entrant.count
    count = max(COUNT_MIN, int(turn.tasks * turn.entrant.tasks_share))
    stage.start()
    _warm_up(turn)
    seen = marks.count(stage.marks_path)
    started_ns = stage.produce("verb", name="publish", count=count)
    stage.await_marks(seen + count * groups)
    handled = marks.read(stage.marks_path)[seen:]
    elapsed_s = (handled[-1].at_ns - started_ns) / 1e9
    return {"rate": count / elapsed_s, "handled": len(handled) / elapsed_s}


def _warm_up(turn: Turn) -> None:
    """Until all handlers have run, and nothing more comes: a worker that is not there yet takes these later, or never."""
    stage, wanted = turn.stage, WARM_UP * turn.entrant.count
    for _ in range(WARM_UPS_MAX):
        stage.produce("verb", name="publish", count=WARM_UP)
        _await_quiet(stage)
        if marks.count(stage.marks_path) >= wanted:
            return
    raise Stalled(f"{stage.contestant.name}: its workers took no event. Their log ends:\n{stage.log_tail()}")


def _await_quiet(stage: Stage) -> None:
    seen = -1
    while (now_seen := marks.count(stage.marks_path)) != seen:
        seen = now_seen
        time.sleep(QUIET_S)


EVENTS = Measurement(
    name="events",
    title="Events to groups",
    about=(
        "One producer publishes as fast as it goes while two worker processes handle: from the first publish to the last "
        "handler. Every Postroad event goes to three groups and is on disk when `publish_many` returns; faststream's goes to "
        "one group of a Redis stream that keeps nothing on disk; faststream is used as it comes."
    ),
    figures=(Figure("rate", "events/s"), Figure("handled", "handlers run/s")),
    entrants=(
        Entrant("Postroad, 3 groups", "postroad-events", "Postroad, 3 groups", 3),
        Entrant("faststream, Redis stream, 1 group, async", "faststream", "Postroad, 3 groups", 1),
    ),
    measure=_events,
    ratio_heading="Postroad is … times this",
)

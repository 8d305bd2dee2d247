"""Whether what waits slows down what is taken: the first tasks of a small and of a large backlog."""

from __future__ import annotations

from benchmarks import marks
from benchmarks.measurement import Entrant, Figure, Measurement, Sample, Turn

TAKEN = 20_000
LARGE = 1_000_000
# One process: the first 20,000 are over before two would have started at the same moment.
PROCESSES = 1


def _backlog(turn: Turn) -> Sample:
    waiting = turn.entrant.count if not turn.quick else turn.entrant.count // 20
    taken = min(TAKEN, waiting)
    turn.stage.produce("fill", count=waiting)
    turn.stage.start(processes=PROCESSES)
    turn.stage.await_marks(taken)
    turn.stage.kill()
    return {"rate": marks.rate(marks.read(turn.stage.marks_path), taken)}


BACKLOG = Measurement(
    name="backlog",
    title="A large backlog",
    about=f"How fast the first {TAKEN:,} no-op tasks are handled by one worker process of five threads.",
    figures=(Figure("rate", "tasks/s"),),
    entrants=(
        Entrant("Postroad, 20,000 wait", "postroad", "Postroad, 1,000,000 wait", TAKEN),
        Entrant("Postroad, 1,000,000 wait", "postroad", "Postroad, 1,000,000 wait", LARGE),
    ),
    measure=_backlog,
    ratio_heading="1,000,000 is … times this",
)

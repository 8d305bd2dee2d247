"""Whether handlers that never let go of the interpreter's lock hold up other processes at the file's lock."""

from __future__ import annotations

from benchmarks.measurement import Entrant, Figure, Measurement, Sample, Turn

SPINNING = 4
THREADS = 8
FEED = 100_000
FED_BEFORE = 1_000


def _gil(turn: Turn) -> Sample:
    stage, spinning = turn.stage, turn.entrant.count
    if spinning:
        stage.produce("verb", name="put_spins", count=spinning, length_s=60.0)
        # The child must go on claiming and settling meanwhile: an idle one would hold no lock.
        stage.produce("fill", count=turn.scaled(FEED, 20_000))
        stage.start(processes=1, threads=THREADS)
        stage.await_marks(spinning + FED_BEFORE)
    return dict(stage.produce("stamps", count=turn.scaled(300, 50), gap_s=0.01))


GIL = Measurement(
    name="gil",
    title="Beside busy handlers",
    about=(
        "How long another process's `delay` takes while four handlers of a worker process compute "
        "without pause and the same process works through no-op tasks."
    ),
    figures=(Figure("p50", "p50 ms", 2), Figure("p99", "p99 ms", 2)),
    entrants=(
        Entrant("Postroad, no worker", "postroad"),
        Entrant("Postroad, four busy handlers", "postroad", count=SPINNING),
    ),
    measure=_gil,
)

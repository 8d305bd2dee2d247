"""What counting costs: a drain with statistics and without, turn by turn."""

from __future__ import annotations

from benchmarks.measurement import Entrant, Figure, Measurement
from benchmarks.measurements.drain import drain

STATISTICS = Measurement(
    name="statistics",
    title="Statistics on and off",
    about=(
        "The drain above, with the statistics that a worker keeps (on, as it comes) and without them "
        "(`POSTROAD_STATISTICS=off`). The CPU time says more than the rate on a busy machine."
    ),
    figures=(Figure("rate", "tasks/s"), Figure("cpu_us", "workers' CPU us a task", 2)),
    entrants=(
        Entrant("Postroad, statistics off", "postroad-no-statistics", "Postroad, statistics on"),
        Entrant("Postroad, statistics on", "postroad", "Postroad, statistics on"),
    ),
    measure=drain,
    ratio_heading="on is … times this",
    runs_min=5,
)

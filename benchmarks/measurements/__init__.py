"""One idea a module. `ALL` is in the order in which they run and are printed."""

from __future__ import annotations

from benchmarks.measurement import Measurement
from benchmarks.measurements.backlog import BACKLOG
from benchmarks.measurements.delayed import DELAYED
from benchmarks.measurements.drain import DRAIN
from benchmarks.measurements.enqueue import ENQUEUE, SEND_MANY
from benchmarks.measurements.events import EVENTS
from benchmarks.measurements.gil import GIL
from benchmarks.measurements.idle import IDLE
from benchmarks.measurements.latency import LATENCY
from benchmarks.measurements.recovery import RECOVERY
from benchmarks.measurements.statistics import STATISTICS
from benchmarks.measurements.topics import TOPICS

ALL: dict[str, Measurement] = {
    one.name: one
    for one in (
        DRAIN,
        ENQUEUE,
        SEND_MANY,
        LATENCY,
        EVENTS,
        TOPICS,
        STATISTICS,
        BACKLOG,
        GIL,
        IDLE,
        DELAYED,
        RECOVERY,
    )
}

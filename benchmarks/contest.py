"""Runs a measurement: its rows take turns, run after run, so that a busy machine hits all of them alike."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.measurement import Entrant, Measurement, Sample, Turn
from benchmarks.options import Options
from benchmarks.quantiles import median
from benchmarks.roster import ROSTER
from benchmarks.stage import stage


@dataclass
class Outcome:
    """A measurement with the samples of each of its rows, one a run."""

    measurement: Measurement
    entrants: tuple[Entrant, ...]
    samples: dict[str, list[Sample]] = field(default_factory=dict)

    def figure(self, label: str, key: str) -> float:
        return median(self._column(label, key))

    def ratio(self, entrant: Entrant) -> float | None:
        """The median of the ratios within a run: two runs of one row may differ by more than two rows do."""
        if not entrant.over or entrant.over not in self.samples or not self.measurement.ratio_heading:
            return None
        key = self.measurement.figures[0].key
        pairs = zip(self._column(entrant.over, key), self._column(entrant.label, key), strict=True)
        return median([above / below for above, below in pairs if below])

    def _column(self, label: str, key: str) -> Sequence[float]:
        return [sample[key] for sample in self.samples[label]]


def hold(measurement: Measurement, options: Options, redis_url: str) -> Outcome:
    entrants = tuple(entrant for entrant in measurement.entrants if entrant.contestant in options.contestants)
    outcome = Outcome(measurement, entrants, {entrant.label: [] for entrant in entrants})
    for run in range(runs(measurement, options)):
        for entrant in entrants:
            _tell(f"{measurement.name}, run {run + 1}: {entrant.label}")
            with stage(ROSTER[entrant.contestant], redis_url) as set_stage:
                sample = measurement.measure(Turn(set_stage, entrant, options.tasks, options.quick))
            outcome.samples[entrant.label].append(sample)
            _tell("    " + ", ".join(f"{key} {value:,.2f}" for key, value in sample.items()))
    return outcome


def runs(measurement: Measurement, options: Options) -> int:
    if options.quick:
        return 1
    return min(max(options.runs, measurement.runs_min), measurement.runs_max)


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)

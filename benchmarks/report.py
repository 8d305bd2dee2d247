"""Outcomes as tables of Markdown, and as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.contest import Outcome
from benchmarks.measurement import Entrant

Facts = dict[str, str]


def table(outcome: Outcome) -> str:
    figures = outcome.measurement.figures
    ratios = [outcome.ratio(entrant) for entrant in outcome.entrants]
    headings = ["", *(figure.heading for figure in figures)]
    if any(ratios):
        headings.append(outcome.measurement.ratio_heading)
    rows = [_row(outcome, entrant, ratio, any(ratios)) for entrant, ratio in zip(outcome.entrants, ratios, strict=True)]
    lines = [_line(headings), _line(["---", *["---:"] * (len(headings) - 1)]), *map(_line, rows)]
    return "\n".join(lines)


def section(outcome: Outcome, machine: Facts) -> str:
    """What stands between the markers: the sentence, the table, and where it was measured."""
    runs = max((len(samples) for samples in outcome.samples.values()), default=0)
    how = f"{runs} runs, the rows in turn; medians" if runs > 1 else "1 run"
    place = f"{machine['cores']} cores, {machine['kernel']}, {machine['python']}, load before {machine['load before']}"
    return (
        f"{outcome.measurement.about}\n\n{table(outcome)}\n\n*{how}. {place}; a synced write took {machine['sync']}.*"
    )


def facts(machine: Facts, versions: Facts) -> str:
    lines = [_line(["", ""]), _line(["---", "---"])]
    return "\n".join([*lines, *(_line([name, value]) for name, value in (machine | versions).items())])


def as_json(outcomes: Sequence[Outcome], machine: Facts, versions: Facts) -> str:
    content = {
        "machine": machine,
        "versions": versions,
        "measurements": {outcome.measurement.name: _plain(outcome) for outcome in outcomes},
    }
    return json.dumps(content, indent=2) + "\n"


def write_json(path: Path, outcomes: Sequence[Outcome], machine: Facts, versions: Facts) -> None:
    path.write_text(as_json(outcomes, machine, versions), encoding="utf-8")


def _plain(outcome: Outcome) -> dict[str, Any]:
    return {
        entrant.label: {"samples": outcome.samples[entrant.label], "ratio": outcome.ratio(entrant)}
        for entrant in outcome.entrants
    }


def _row(outcome: Outcome, entrant: Entrant, ratio: float | None, with_ratio: bool) -> list[str]:
    label = f"{entrant.label} ({entrant.note})" if entrant.note else entrant.label
    cells = [f"{outcome.figure(entrant.label, one.key):,.{one.digits}f}" for one in outcome.measurement.figures]
    if with_ratio:
        cells.append("" if ratio is None or entrant.over == entrant.label else f"{ratio:.2f}")
    return [label, *cells]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"

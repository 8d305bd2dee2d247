"""`python -m benchmarks`: run the measurements, print their tables, and put them into the documentation."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks import machine, page, report
from benchmarks.contest import Outcome, hold
from benchmarks.contestant import Contestant
from benchmarks.errors import BenchmarkError
from benchmarks.measurement import Measurement
from benchmarks.measurements import ALL
from benchmarks.options import Options, parse
from benchmarks.redis_server import redis_server
from benchmarks.roster import ROSTER

FAILED = 1


def main(arguments: Sequence[str]) -> int:
    options = parse(arguments, ALL, ROSTER)
    if options.list:
        print(f"measurements: {' '.join(ALL)}\ncontestants: {' '.join(ROSTER)}")
        return 0
    try:
        run(options)
    except BenchmarkError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return FAILED
    return 0


def run(options: Options) -> None:
    """Take all measurements; what failed is told at the end, so that it does not cost the others."""
    measurements = [ALL[name] for name in options.only]
    contestants = entered(measurements, options)
    versions = machine.versions(contestants)
    facts = machine.describe() | {"sync": f"{machine.sync_us(Path(tempfile.gettempdir())):,.0f} us"}
    with server(contestants) as redis_url:
        outcomes, failures = hold_all(measurements, options, redis_url, facts)
    print(report.facts(facts, versions))
    if options.json:
        report.write_json(options.json, outcomes, facts, versions)
    if writes_page(options):
        sections = {outcome.measurement.name: report.section(outcome, facts) for outcome in outcomes}
        page.update(sections | {"versions": report.facts(facts, versions)})
    if failures:
        raise BenchmarkError("\n\n".join(failures))


def hold_all(
    measurements: Sequence[Measurement], options: Options, redis_url: str, facts: report.Facts
) -> tuple[list[Outcome], list[str]]:
    outcomes, failures = [], []
    for measurement in measurements:
        try:
            outcome = hold(measurement, options, redis_url)
        except BenchmarkError as error:
            failures.append(f"{measurement.name}: {error}")
            continue
        outcomes.append(outcome)
        print(f"\n## {measurement.title}\n\n{report.section(outcome, facts)}\n", flush=True)
    return outcomes, failures


def entered(measurements: Sequence[Measurement], options: Options) -> list[Contestant]:
    """The contestants that have a turn at all."""
    names = {entrant.contestant for measurement in measurements for entrant in measurement.entrants}
    return [ROSTER[name] for name in options.contestants if name in names]


def writes_page(options: Options) -> bool:
    """Rough figures and tables with rows left out do not belong in the documentation."""
    return not options.quick and set(options.contestants) == set(ROSTER)


@contextmanager
def server(contestants: Sequence[Contestant]) -> Iterator[str]:
    if not any(contestant.redis for contestant in contestants):
        yield ""
        return
    with redis_server() as url:
        yield url


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""What `python -m benchmarks` may be asked for."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

QUICK_SHARE = 10


@dataclass(frozen=True)
class Options:
    only: tuple[str, ...]
    contestants: tuple[str, ...]
    runs: int
    tasks: int
    quick: bool
    json: Path | None
    list: bool


def parse(arguments: Sequence[str], measurements: Collection[str], contestants: Collection[str]) -> Options:
    """Read the command line, refusing names that do not exist."""
    parser = _parser()
    given = parser.parse_args(arguments)
    only = _chosen(parser, "--only", given.only, measurements)
    chosen = _chosen(parser, "--contestants", given.contestants, contestants)
    if given.runs < 1 or given.tasks < 100:
        parser.error("--runs must be at least 1 and --tasks at least 100")
    runs, tasks = (1, given.tasks // QUICK_SHARE) if given.quick else (given.runs, given.tasks)
    return Options(only, chosen, runs, tasks, given.quick, given.json, given.list)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", default="", metavar="NAME[,NAME]", help="only these measurements")
    parser.add_argument("--contestants", default="", metavar="NAME[,NAME]", help="only these contestants")
    parser.add_argument("--runs", type=int, default=3, help="interleaved runs (default 3)")
    parser.add_argument("--tasks", type=int, default=200_000, help="tasks of the largest drain (default 200000)")
    parser.add_argument(
        "--quick", action="store_true", help="one run of a tenth: shows that all works; no page is written"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every sample here")
    parser.add_argument("--list", action="store_true", help="name the measurements and contestants, and stop")
    return parser


def _chosen(parser: argparse.ArgumentParser, flag: str, text: str, known: Collection[str]) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    unknown = [name for name in names if name not in known]
    if unknown:
        parser.error(f"{flag}: no such name: {', '.join(unknown)}; choose from {', '.join(known)}")
    return names or tuple(known)

"""``postroad bench``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from postroad.cli import exits, flags
from postroad.cli.output import Column, items, note

if TYPE_CHECKING:
    from pathlib import Path

    from postroad.cli.bench.measures import Measure

COLUMNS: tuple[Column, ...] = (
    Column("MEASURE", lambda measure: measure.name),
    Column(
        "VALUE", lambda measure: f"{measure.value:,.0f}" if measure.value >= 100 else f"{measure.value:.2f}", right=True
    ),
    Column("UNIT", lambda measure: measure.unit),
)


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--tasks", type=flags.count, default=50_000, metavar="N", help="how many to drain (50,000)")
    parser.add_argument("--folder", metavar="DIR", help="where the engine's file is made for it (default: temporary)")
    parser.add_argument("--traceback", action="store_true", help="show where an error comes from")
    flags.output(parser)


def run(options: argparse.Namespace) -> int:
    import tempfile
    from pathlib import Path

    from postroad.errors import NotFound

    if options.folder is not None and not Path(options.folder).is_dir():
        raise NotFound(f"{options.folder} is no folder: name one on the disk that is to be measured.")
    with tempfile.TemporaryDirectory(prefix="postroad-bench-", dir=options.folder) as folder:
        note(f"measuring in {folder}; figures swing with what else this machine does")
        items(measured(Path(folder).resolve(), options.tasks), COLUMNS, options.output, "")
    return exits.OK


def measured(folder: Path, tasks: int) -> list[Measure]:
    """All measures, on an engine of their own."""
    import os
    from urllib.parse import quote

    from postroad.cli.bench import measures
    from postroad.cli.bench.app import app
    from postroad.cli.workertree import WorkerTree

    url = f"sqlite:///{quote(str(folder / 'bench.db'))}"
    os.environ["POSTROAD_URL"] = url
    tree = WorkerTree("postroad.cli.bench.app:app", url, folder / "worker.log")
    with app:
        try:
            sending = [*measures.one_by_one(), *measures.in_bulk(tasks)]
            running = [*measures.drained(tree), *measures.latency()]
            tree.end()
        finally:
            tree.kill()
    return sending + running

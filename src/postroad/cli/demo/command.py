"""``postroad demo [PATH]``."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from postroad.cli import exits, flags
from postroad.errors import InvalidOption, NotFound, NotSupported

if TYPE_CHECKING:
    from postroad.cli.demo.conductor import Conducted


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "path", metavar="PATH", nargs="?", help="a folder of Python files (default: the standard library)"
    )
    parser.add_argument("--keep", action="store_true", help="keep the engine's file, and say where it is")
    flags.engine(parser)
    flags.output(parser)


def run(options: argparse.Namespace) -> int:
    if options.path == "shop" and not Path("shop").is_dir():
        raise NotSupported("demo shop: not built yet")
    from postroad.cli.demo.sources import source_files, standard_library

    root = Path(options.path).resolve() if options.path else standard_library()
    if not root.is_dir():
        raise NotFound(f"{root} is no folder: name one with Python files, or none for the standard library.")
    expected = sum(1 for _file in source_files(root))
    if not expected:
        raise NotFound(f"There is no .py file below {root}: name another folder, or none for the standard library.")
    with engine_file(options) as file:
        return shown(options, root, file, expected)


@contextmanager
def engine_file(options: argparse.Namespace) -> Iterator[Path]:
    """The file of --url; else one in a new temporary folder, which goes at the end unless it is to be kept."""
    import shutil
    import tempfile

    if options.url is not None:
        yield file_of(options.url)
        return
    folder = Path(tempfile.mkdtemp(prefix="postroad-demo-"))
    try:
        yield folder / "demo.db"
    finally:
        if not options.keep:
            shutil.rmtree(folder, ignore_errors=True)


def file_of(url: str) -> Path:
    """Raises InvalidURL or InvalidOption."""
    from postroad.app.config import engine_url
    from postroad.drivers.registry import parse

    engine = parse(engine_url(url))
    if engine.scheme != "sqlite":
        raise InvalidOption("The demo kills a worker in another process, so it needs a file: --url sqlite:///demo.db")
    return Path(engine.path)


def shown(options: argparse.Namespace, root: Path, file: Path, expected: int) -> int:
    """Run it, count again, compare, print."""
    import time

    from postroad.cli.demo import report, totals
    from postroad.cli.output import item, note, several
    from postroad.observe.plaintext import block

    note(f"indexing {several(expected, 'file')} below {root}, with 2 children on {file}")
    conducted = conduct(root, file, expected)
    note("counting again in one process")
    started_at = time.monotonic()
    recount = totals.recounted(root)
    made = report.made(root, conducted, recount, time.monotonic() - started_at)
    if options.output == "text":
        print(block("\n".join(report.lines(made))))
    else:
        item(made, (), options.output)
    if options.keep or options.url is not None:
        note(f"kept: postroad queues --url sqlite:///{file}")
    return exits.OK if made.verified else exits.FAILED


def conduct(root: Path, file: Path, expected: int) -> Conducted:
    import os
    from urllib.parse import quote

    from postroad.cli.demo import catalogue, heard
    from postroad.cli.demo.app import Run, app
    from postroad.cli.demo.conductor import Conductor
    from postroad.cli.workertree import WorkerTree
    from postroad.engine.identity import new_id

    url = f"sqlite:///{quote(str(file))}"
    run = Run(new_id(), str(root), f"{file}-catalogue")
    Path(run.catalogue).unlink(missing_ok=True)
    catalogue.create(Path(run.catalogue))
    heard.create(run.catalogue)
    os.environ["POSTROAD_URL"] = url
    with app:
        tree = WorkerTree("postroad.cli.demo.app:app", url, Path(f"{file}-worker.log"))
        return Conductor(run, tree, expected).conduct()

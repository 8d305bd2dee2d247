"""The engine a command works on: opened for it, closed after it; never made by a look."""

from __future__ import annotations

import argparse
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from postroad.cli import exits, output
from postroad.errors import EngineUnavailable, InvalidURL

if TYPE_CHECKING:  # a command's help must not wait for asyncio and SQLite
    from postroad.observe.inspect import Inspection

WATCH_S = 1.0


def look(options: argparse.Namespace, see: Callable[[Inspection], Coroutine[Any, Any, int]]) -> int:
    """Open the engine, run ``see`` (again every second with --watch), answer its exit code."""
    import asyncio

    from postroad.app.config import engine_url

    async def looked() -> int:
        async with inspection(engine_url(options.url)) as opened:
            while getattr(options, "watch", False):
                output.clear_screen()
                await see(opened)
                sys.stdout.flush()
                await asyncio.sleep(WATCH_S)
            return await see(opened)

    return asyncio.run(looked())


@asynccontextmanager
async def inspection(url: str) -> AsyncIterator[Inspection]:
    """Raises InvalidURL, or EngineUnavailable for a file that is not there: looking must not make one."""
    from postroad.drivers.registry import open_driver
    from postroad.observe.inspect import Inspection

    existing_file(url)
    async with open_driver(url, worker="command line") as driver:
        yield Inspection(driver)


def existing_file(url: str) -> Path | None:
    """The file of an embedded engine."""
    from postroad.drivers.registry import parse, redacted

    engine = parse(url)
    if engine.scheme == "memory":
        raise InvalidURL(
            "memory:// lives inside one process: nothing can be seen from outside. Use app.inspect in that "
            "process, or a file."
        )
    if engine.scheme != "sqlite":
        return None
    if not Path(engine.path).exists():
        raise EngineUnavailable(
            f"There is no engine at {redacted(url)}: nothing was sent there yet, or it is another file. Name it with "
            "--url or $POSTROAD_URL."
        )
    return Path(engine.path)


def confirmed(options: argparse.Namespace, preview: str) -> int | None:
    """Show what would be done. None: go on; else the exit code to end with."""
    if options.dry_run:
        output.did({"would": preview}, f"would {preview}", options.output)
        return exits.OK
    if options.yes:
        return None
    output.note(f"This would {preview}.\nNothing was done: repeat it with --yes.")
    return exits.USAGE

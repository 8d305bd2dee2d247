"""What an app declares, against what its engine has. The only part of this command that imports user code."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

from postroad.app.app import App
from postroad.app.config import engine_url
from postroad.app.discovery import load
from postroad.cli import exits, settings
from postroad.cli.engine import confirmed
from postroad.cli.output import did, several
from postroad.cli.topology.command import tell
from postroad.core.topology import Change, Topology, changes, conflict
from postroad.drivers.registry import open_driver, parse
from postroad.errors import InvalidOption


def of_app(options: argparse.Namespace) -> App:
    """Raises InvalidOption when none is named, ConfigurationError when it is not there."""
    path = settings.text(options.app, "app")
    if not path:
        raise InvalidOption('Which app? Write module:app, or app = "module:app" in [tool.postroad] of pyproject.toml.')
    return load(path)


def url_of(options: argparse.Namespace, app: App) -> str:
    return app.url if options.url is None else engine_url(options.url)


def plan(options: argparse.Namespace) -> int:
    """1 when something declared cannot be: it is there otherwise."""
    app = of_app(options)
    planned = planned_at(url_of(options, app), app.topology())
    tell(planned, options)
    return exits.FAILED if conflict(planned) else exits.OK


def planned_at(url: str, topology: Topology) -> list[Change]:
    """A file that is not there is empty, and stays away."""
    engine = parse(url)
    if engine.scheme == "sqlite" and not Path(engine.path).exists():
        return changes(topology, Topology())

    async def asked() -> list[Change]:
        async with open_driver(url, worker="command line") as driver:
            return list(await driver.plan(topology))

    return asyncio.run(asked())


def apply(options: argparse.Namespace) -> int:
    """Preview, then do it. Raises TopologyConflict; then nothing was done."""
    app = of_app(options)
    url = url_of(options, app)
    planned = planned_at(url, app.topology())
    error = conflict(planned)
    if error is not None:
        raise error
    if not planned:
        tell(planned, options)
        return exits.OK
    code = confirmed(options, "; ".join(change.words for change in planned))
    if code is not None:
        return code
    asyncio.run(applied(url, planned))
    words = [change.words for change in planned]
    done = "\n".join([*words, f"{several(len(planned), 'change')} made"])
    did({"count": len(planned), "changes": words}, done, options.output)
    return exits.OK


async def applied(url: str, planned: list[Change]) -> None:
    async with open_driver(url, worker="command line") as driver:
        await driver.apply(planned)

"""``postroad workers``: the processes that may hold messages."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from postroad.cli import exits, flags
from postroad.cli.engine import look
from postroad.cli.output import Column, ago, items

if TYPE_CHECKING:
    from postroad.observe.inspect import Inspection

COLUMNS: tuple[Column, ...] = (
    Column("WORKER", lambda worker: worker.name),
    Column("HOST", lambda worker: worker.host),
    Column("PID", lambda worker: str(worker.pid), right=True),
    Column("SUPERVISOR", lambda worker: str(worker.supervisor_pid), right=True),
    Column("STATE", lambda worker: worker.state),
    Column("STARTED", lambda worker: ago(worker.started_at)),
    Column("IN FLIGHT", lambda worker: f"{worker.in_flight:,}", right=True),
    Column("RUNNING", lambda worker: f"{len(worker.running):,}", right=True),
    Column("QUEUES", lambda worker: ", ".join(worker.queues) or "-"),
)


def arguments(parser: argparse.ArgumentParser) -> None:
    flags.engine(parser)
    flags.output(parser, watch=True)


def run(options: argparse.Namespace) -> int:
    return look(options, lambda inspection: show(inspection, options))


async def show(inspection: Inspection, options: argparse.Namespace) -> int:
    none = "No workers: start one with 'postroad worker module:app'."
    items(await inspection.workers(), COLUMNS, options.output, none)
    return exits.OK

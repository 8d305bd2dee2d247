"""``postroad records``: what left a queue in the last day without a dead letter, and not by success."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from postroad.cli import exits, flags
from postroad.cli.engine import look
from postroad.cli.output import Column, ago, items

if TYPE_CHECKING:
    from postroad.observe.inspect import Inspection

COLUMNS: tuple[Column, ...] = (
    Column("ID", lambda record: record.id),
    Column("QUEUE", lambda record: record.source),
    Column("STATE", lambda record: record.state),
    Column("ENDED", lambda record: ago(record.ended_at)),
    Column("REASON", lambda record: record.reason),
)
STATES = ("DROPPED", "DUPLICATE", "FAILED")


def arguments(parser: argparse.ArgumentParser) -> None:
    flags.engine(parser)
    flags.output(parser, watch=True)
    parser.add_argument("--state", choices=STATES, help="only these")
    parser.add_argument("--limit", type=flags.count, default=50, metavar="N", help="at most (default 50)")


def run(options: argparse.Namespace) -> int:
    return look(options, lambda inspection: show(inspection, options))


async def show(inspection: Inspection, options: argparse.Namespace) -> int:
    found = await inspection.records(options.state, options.limit)
    items(found, COLUMNS, options.output, "Nothing was dropped, came twice, or failed after an early acknowledgement in the last day.")
    return exits.OK

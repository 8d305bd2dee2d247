"""``postroad queues``: how much waits where, and purging it."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from postroad.cli import exits, flags
from postroad.cli.engine import confirmed, look
from postroad.cli.output import Column, age, items, several

if TYPE_CHECKING:
    from postroad.observe.inspect import Inspection

COLUMNS: tuple[Column, ...] = (
    Column("QUEUE", lambda queue: queue.queue),
    Column("READY", lambda queue: f"{queue.ready:,}", right=True),
    Column("DELAYED", lambda queue: f"{queue.delayed:,}", right=True),
    Column("IN FLIGHT", lambda queue: f"{queue.in_flight:,}", right=True),
    Column("DEAD", lambda queue: f"{queue.dead:,}", right=True),
    Column("OLDEST", lambda queue: age(queue.oldest_age_s), right=True),
)

NONE = "No queues yet: a worker's start or an app's first send declares them."


def arguments(parser: argparse.ArgumentParser) -> None:
    verbs = flags.noun(parser)
    flags.verb(verbs, "list", "show every queue (also what no verb does)", watch=True)
    purge = flags.verb(verbs, "purge", "delete what waits in a queue; what runs goes on")
    purge.add_argument("queue", metavar="QUEUE")
    flags.act(purge, limit=1_000_000)


def run(options: argparse.Namespace) -> int:
    see = purge if options.verb == "purge" else show
    return look(options, lambda inspection: see(inspection, options))


async def show(inspection: Inspection, options: argparse.Namespace) -> int:
    items(await inspection.queues(), COLUMNS, options.output, NONE)
    return exits.OK


async def purge(inspection: Inspection, options: argparse.Namespace) -> int:
    queue = await inspection.queue(options.queue)
    waiting = queue.ready + queue.delayed
    parts = f"{queue.ready:,} ready, {queue.delayed:,} delayed; {queue.in_flight:,} in flight would go on"
    some = f"{options.limit:,} of the " if waiting > options.limit else ""
    code = confirmed(options, f"delete {some}{several(waiting, 'waiting message')} of queue {queue.queue!r} ({parts})")
    if code is not None:
        return code
    count = await inspection.engine.purge(options.queue, options.limit)
    print(f"deleted {several(count, 'message')} of queue {queue.queue!r}")
    return exits.OK

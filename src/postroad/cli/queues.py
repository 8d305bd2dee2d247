"""``postroad queues``: how much waits where, looking into one, purging and deleting it."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from postroad.cli import exits, flags
from postroad.cli.engine import confirmed, look
from postroad.cli.output import Column, age, ago, as_json, did, items, several

if TYPE_CHECKING:
    from postroad.observe.inspect import Inspection
    from postroad.observe.views import MessageView

COLUMNS: tuple[Column, ...] = (
    Column("QUEUE", lambda queue: queue.queue),
    Column("CARRIES", lambda queue: queue.carries or "-"),
    Column("READY", lambda queue: f"{queue.ready:,}", right=True),
    Column("DELAYED", lambda queue: f"{queue.delayed:,}", right=True),
    Column("IN FLIGHT", lambda queue: f"{queue.in_flight:,}", right=True),
    Column("DEAD", lambda queue: f"{queue.dead:,}", right=True),
    Column("OLDEST", lambda queue: age(queue.oldest_age_s), right=True),
    Column("MAX", lambda queue: "-" if queue.max_length is None else f"{queue.max_length:,}", right=True),
    Column("CONSUMERS", lambda queue: f"{queue.consumers:,}", right=True),
    Column("PUBLISHED", lambda queue: f"{queue.published:,}", right=True),
)
WAITING_COLUMNS: tuple[Column, ...] = (
    Column("ID", lambda message: message.id),
    Column("WAITS", lambda message: waits(message)),
    Column("ATTEMPT", lambda message: str(message.attempt), right=True),
    Column("PRIORITY", lambda message: str(message.priority), right=True),
    Column("KEY", lambda message: message.key or "-"),
    Column("HEADERS", lambda message: as_json(message.headers, indent=0) if message.headers else "-"),
    Column("BODY", lambda message: message.body if message.body is not None else f"base64 {message.body_base64}"),
)

NONE = "No queues yet: a worker's start or an app's first send declares them."


def arguments(parser: argparse.ArgumentParser) -> None:
    verbs = flags.noun(parser)
    flags.verb(verbs, "list", "show every queue (also what no verb does)", watch=True)
    peek = flags.verb(verbs, "peek", "show what waits in a queue, the next one first; it stays where it is", watch=True)
    peek.add_argument("queue", metavar="QUEUE")
    peek.add_argument("--limit", type=flags.count, default=10, metavar="N", help="at most (default 10)")
    purge = flags.verb(verbs, "purge", "delete what waits in a queue; what runs goes on")
    purge.add_argument("queue", metavar="QUEUE")
    flags.act(purge, limit=1_000_000)
    delete = flags.verb(verbs, "delete", "delete a queue with its messages, dead letters and bindings")
    delete.add_argument("queue", metavar="QUEUE")
    flags.sure(delete)


def run(options: argparse.Namespace) -> int:
    verbs = {"list": show, "peek": peek, "purge": purge, "delete": delete}
    return look(options, lambda inspection: verbs[options.verb](inspection, options))


async def show(inspection: Inspection, options: argparse.Namespace) -> int:
    items(await inspection.queues(), COLUMNS, options.output, NONE)
    return exits.OK


async def peek(inspection: Inspection, options: argparse.Namespace) -> int:
    await inspection.queue(options.queue)
    found = await inspection.peek(options.queue, options.limit)
    items(found, WAITING_COLUMNS, options.output, f"Nothing waits in queue {options.queue!r}.")
    return exits.OK


def waits(message: MessageView) -> str:
    """For how long it has, or until when."""
    return f"due {ago(message.due_at)}" if message.place == "delayed" else ago(message.queued_at)


async def purge(inspection: Inspection, options: argparse.Namespace) -> int:
    queue = await inspection.queue(options.queue)
    waiting = queue.ready + queue.delayed
    parts = f"{queue.ready:,} ready, {queue.delayed:,} delayed; {queue.in_flight:,} in flight would go on"
    some = f"{options.limit:,} of the " if waiting > options.limit else ""
    code = confirmed(options, f"delete {some}{several(waiting, 'waiting message')} of queue {queue.queue!r} ({parts})")
    if code is not None:
        return code
    count = await inspection.engine.purge(options.queue, options.limit)
    did({"count": count}, f"deleted {several(count, 'message')} of queue {queue.queue!r}", options.output)
    return exits.OK


async def delete(inspection: Inspection, options: argparse.Namespace) -> int:
    queue = await inspection.queue(options.queue)
    waiting = several(queue.ready + queue.delayed, "waiting message")
    taken = f"; {queue.consumers:,} of its consumers are alive, so it would be refused" if queue.consumers else ""
    what = f"queue {queue.queue!r} with {waiting}, {several(queue.dead, 'dead letter')} and its bindings{taken}"
    code = confirmed(options, f"delete {what}")
    if code is not None:
        return code
    count = await inspection.engine.delete_queue(options.queue)
    did({"count": count}, f"deleted queue {queue.queue!r} with {several(count, 'message')}", options.output)
    return exits.OK

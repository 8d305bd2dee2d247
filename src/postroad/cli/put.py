"""``postroad put``: a message for a queue, by the queue's name."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from postroad.cli import bodies, exits, flags
from postroad.cli.engine import look
from postroad.cli.output import item, several

if TYPE_CHECKING:
    from postroad.core.message import Message, Receipt, Refused
    from postroad.core.topology import Queue
    from postroad.observe.inspect import Inspection

BATCH = 500


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("queue", metavar="QUEUE", help="the queue's name; it must have been declared")
    bodies.body_arguments(parser)
    parser.add_argument(
        "--priority", type=int, choices=range(10), help="0-9, higher is sooner; for a queue that has them"
    )
    parser.add_argument(
        "--delay", type=flags.duration, default=0.0, metavar="DURATION", help="not before this long, as 5m"
    )
    parser.add_argument("--key", metavar="KEY", help="messages of one key are handled one at a time, in order")
    bodies.header_argument(parser)
    parser.add_argument(
        "--id", metavar="ID", help="the message's id: a second one with the same id is not handled again"
    )
    parser.add_argument("--count", type=flags.count, default=1, metavar="N", help="put it so many times (1)")
    flags.engine(parser)
    flags.output(parser)


def run(options: argparse.Namespace) -> int:
    from postroad.errors import InvalidOption

    if options.id is not None and options.count > 1:
        raise InvalidOption("--id names one message: leave --count away.")
    return look(options, lambda inspection: put(inspection, options))


async def put(inspection: Inspection, options: argparse.Namespace) -> int:
    from postroad.core.message import Address, Send

    await fits(inspection, options)
    body = bodies.body_of(options.body, raw=options.raw)
    address = Address(routing_key=options.queue)
    left = options.count
    while left:
        messages = [message_of(options, body) for _ in range(min(BATCH, left))]
        receipts = await inspection.engine.publish([Send(address, message) for message in messages])
        checked(receipts, options, options.count - left)
        left -= len(messages)
    said = {"id": messages[-1].id, "queue": options.queue, "count": options.count}
    item(said, [(name, str(value)) for name, value in said.items()], options.output)
    return exits.OK


async def fits(inspection: Inspection, options: argparse.Namespace) -> None:
    """Raises InvalidOption for a queue of tasks, and for a priority that the queue does not have."""
    from postroad.errors import InvalidOption

    queue = await declared(inspection, options.queue)
    if queue.carries == "tasks":
        raise InvalidOption(f"Queue {queue.name!r} carries tasks: postroad send NAME ARG... --queue {queue.name}.")
    if options.priority is None or (queue.priority_max is not None and options.priority <= queue.priority_max):
        return
    least = "has no priorities" if queue.priority_max is None else f"has priorities 0 to {queue.priority_max}"
    raise InvalidOption(f"Queue {queue.name!r} {least}: leave --priority away, or declare it with max_priority=9.")


async def declared(inspection: Inspection, name: str) -> Queue:
    """Raises NotFound, with the nearest name."""
    import difflib

    from postroad.errors import NotFound

    queues = {queue.name: queue for queue in (await inspection.topology()).queues}
    if name in queues:
        return queues[name]
    close = difflib.get_close_matches(name, queues, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(queues) or 'none'}."
    raise NotFound(f"There is no queue {name!r}; {hint} A worker's start or 'postroad topology apply' declares it.")


def message_of(options: argparse.Namespace, body: bytes) -> Message:
    from postroad.core.message import PRIORITY_DEFAULT, Message
    from postroad.engine.identity import new_id

    now = time.time()
    return Message(
        options.id or new_id(),
        body,
        bodies.content_type(options.raw),
        headers=bodies.headers_of(options.header),
        key=options.key,
        priority=PRIORITY_DEFAULT if options.priority is None else options.priority,
        due_at=now + options.delay if options.delay else None,
        queued_at=now,
        dedupe=options.id is not None,
    )


def checked(receipts: Sequence[Receipt | Refused], options: argparse.Namespace, before: int) -> None:
    """Raises for the first message that was not taken, saying how many were."""
    from postroad.core.message import Refused
    from postroad.errors import NotFound, QueueFull

    refused = [answer for answer in receipts if isinstance(answer, Refused)]
    if not refused:
        return
    taken = before + len(receipts) - len(refused)
    kind = NotFound if refused[0].kind == "unroutable" else QueueFull
    some = f" {several(taken, 'message')} of {options.count:,} had been taken." if taken else ""
    raise kind(f"The engine refused the message: {refused[0].reason}{some}")

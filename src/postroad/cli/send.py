"""``postroad send``: a task by its name. No user code is imported: whether the arguments fit, the worker finds out."""

from __future__ import annotations

import argparse
import json
import time
from typing import TYPE_CHECKING, Any

from postroad.cli import exits, flags
from postroad.cli.engine import look
from postroad.cli.outcome import answer
from postroad.cli.output import item
from postroad.errors import NotFound, QueueFull

if TYPE_CHECKING:
    from postroad.core.message import Message, Receipt, Refused
    from postroad.observe.inspect import Inspection


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="the task's name, as shop.tasks.resize")
    parser.add_argument(
        "args",
        metavar="ARG",
        nargs="*",
        type=json_or_text,
        help="JSON where it is JSON (5, true, '[1]', '\"5\"'), else text",
    )
    parser.add_argument(
        "--kwargs", type=json_object, default={}, metavar="JSON", help="keyword arguments, as '{\"width\": 320}'"
    )
    parser.add_argument("--queue", default="default", metavar="NAME", help="the queue (default)")
    parser.add_argument(
        "--countdown", type=flags.duration, default=0.0, metavar="DURATION", help="not before this long, as 5m"
    )
    parser.add_argument("--priority", type=int, default=4, choices=range(10), help="0-9, higher is sooner (4)")
    parser.add_argument("--key", metavar="KEY", help="tasks of one key run one at a time, in order")
    parser.add_argument(
        "--wait", type=flags.duration, metavar="DURATION", help="wait for the result and print it, as 30s"
    )
    flags.engine(parser)
    flags.output(parser)


def take_rest(options: argparse.Namespace, rest: list[str]) -> bool:
    """Arguments after options, which argparse leaves over: ``send add --queue media 2 3``."""
    if any(word.startswith("-") and isinstance(json_or_text(word), str) for word in rest):
        return False
    options.args += [json_or_text(word) for word in rest]
    return True


def run(options: argparse.Namespace) -> int:
    return look(options, lambda inspection: send(inspection, options))


async def send(inspection: Inspection, options: argparse.Namespace) -> int:
    from postroad.core.message import Address, Send

    message = message_of(options)
    address = Address(routing_key=options.queue)
    (receipt,) = await inspection.engine.publish([Send(address, message)])
    checked(receipt)
    if options.wait is None:
        sent = {"id": message.id, "task": options.name, "queue": options.queue}
        item(sent, list(sent.items()), options.output)
        return exits.OK
    return answer(await inspection.wait_for(message.id, options.wait), message.id, options.wait)


def message_of(options: argparse.Namespace) -> Message:
    from postroad.core.message import Message
    from postroad.core.topology import valid_name
    from postroad.engine.identity import new_id
    from postroad.tasks.documents import TASK_HEADER

    now = time.time()
    return Message(
        new_id(),
        json.dumps([options.args, options.kwargs]).encode(),
        headers={TASK_HEADER: valid_name(options.name, "task")},
        key=options.key,
        priority=options.priority,
        due_at=now + options.countdown if options.countdown else None,
        queued_at=now,
        track=True,
    )


def checked(receipt: Receipt | Refused) -> None:
    """Raises NotFound or QueueFull for a message that was not taken."""
    from postroad.core.message import Refused

    if isinstance(receipt, Refused):
        kind = QueueFull if receipt.kind == "full" else NotFound
        raise kind(f"The engine refused the task: {receipt.reason}")


def json_or_text(word: str) -> Any:
    """An argument: NaN and Infinity are words here, for they are no JSON."""
    try:
        return json.loads(word, parse_constant=not_json)
    except ValueError:
        return word


def json_object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text, parse_constant=not_json)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no JSON object: {error}") from error
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError(f"{text!r} is JSON, but no object: write '{{\"width\": 320}}'")
    return value


def not_json(word: str) -> Any:
    raise ValueError(f"{word} is no JSON")

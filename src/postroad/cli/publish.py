"""``postroad publish``: an event, by its type. Whoever subscribes gets it; that nobody does is no error."""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING

from postroad.cli import bodies, exits, flags
from postroad.cli.engine import look
from postroad.cli.output import item, note

if TYPE_CHECKING:
    from postroad.core.message import Message, Refused
    from postroad.observe.inspect import Inspection

SOURCE = "postroad-command-line"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("type", metavar="TYPE", help="the event's type, as order.created")
    bodies.body_arguments(parser)
    parser.add_argument("--source", metavar="TEXT", default=SOURCE, help=f"who says it ({SOURCE})")
    parser.add_argument("--subject", metavar="TEXT", help="what it is about")
    parser.add_argument("--key", metavar="KEY", help="events of one key are handled one at a time, in order")
    bodies.header_argument(parser)
    parser.add_argument("--id", metavar="ID", help="the event's id: a second one with the same id is not handled again")
    parser.add_argument("--mandatory", action="store_true", help="fail (1) when nobody subscribes to it")
    flags.engine(parser)
    flags.output(parser)


def run(options: argparse.Namespace) -> int:
    return look(options, lambda inspection: publish(inspection, options))


async def publish(inspection: Inspection, options: argparse.Namespace) -> int:
    from postroad.core.message import Address, Receipt, Send
    from postroad.core.routing import EVENTS

    message = message_of(options)
    await declare_exchange(inspection)
    send = Send(Address(options.type, EVENTS), message, mandatory=options.mandatory)
    (receipt,) = await inspection.engine.publish([send])
    if not isinstance(receipt, Receipt):
        raise refused(options, receipt)
    said = {"id": message.id, "type": options.type, "groups": receipt.routed}
    fields = [("id", message.id), ("type", options.type), ("groups", str(receipt.routed))]
    item(said, fields, options.output)
    tell_nobody(options, receipt.routed, receipt.duplicate_of)
    return exits.OK


def message_of(options: argparse.Namespace) -> Message:
    """The CloudEvents attributes as headers."""
    from postroad.core.message import Message
    from postroad.core.topology import valid_name
    from postroad.engine.identity import new_id

    attributes = {"ce_type": valid_name(options.type, "event type"), "ce_source": options.source}
    if options.subject is not None:
        attributes["ce_subject"] = options.subject
    return Message(
        options.id or new_id(),
        bodies.body_of(options.body, raw=options.raw),
        bodies.content_type(options.raw),
        headers={**bodies.headers_of(options.header), **attributes},
        key=options.key,
        queued_at=time.time(),
        dedupe=options.id is not None,
    )


async def declare_exchange(inspection: Inspection) -> None:
    """As an app's first publish does; so that what goes to nobody is kept and counted."""
    from postroad.core.routing import EVENTS
    from postroad.core.topology import Exchange, Topology

    engine = inspection.engine
    await engine.apply(await engine.plan(Topology(exchanges=(Exchange(EVENTS, "topic"),))))


def refused(options: argparse.Namespace, answer: Refused) -> Exception:
    from postroad.errors import QueueFull, Unroutable

    if answer.kind == "unroutable":
        return Unroutable(
            f"No group subscribes to {options.type!r}: nothing was published (--mandatory). {answer.reason}"
        )
    return QueueFull(f"The engine refused the event: {answer.reason}")


def tell_nobody(options: argparse.Namespace, routed: int, duplicate_of: str | None) -> None:
    if duplicate_of is not None:
        note(f"An event {duplicate_of} was published before: this one is not handled again.")
    elif not routed:
        note(f"No group subscribes to {options.type!r}: nobody gets it. 'postroad events unrouted' shows it for a day.")

"""``postroad events tail``: a subscriber like any other, in a queue of its own that goes when this process ends."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence

import msgspec

from postroad.cli import exits
from postroad.cli.engine import look
from postroad.cli.output import as_json, moment, note
from postroad.core.delivery import Delivery
from postroad.core.outcome import ACCEPT, Settlement
from postroad.core.routing import EVENTS, valid_pattern
from postroad.core.topology import Binding, Exchange, Queue, Topology
from postroad.engine.identity import new_id
from postroad.observe.inspect import Inspection
from postroad.observe.plaintext import line
from postroad.observe.views import body_of
from postroad.ports.driver import Consumer, Subscription

TURN_S = 1.0
BATCH = 100
WIDTH = 200


class Seen(msgspec.Struct, frozen=True):
    """One event as it went by. The body is text when it is UTF-8, else base64."""

    id: str
    type: str
    at: float
    headers: dict[str, str]
    body: str | None
    body_base64: str | None


class Ear:
    """What the engine tells whoever consumes."""

    def lost(self, held: Sequence[Delivery], why: str) -> None:
        """Nothing to do: it comes again."""

    def state(self, state: str) -> None:
        """Nothing to do."""


def run(options: argparse.Namespace) -> int:
    valid_pattern(options.pattern)
    return look(options, lambda inspection: tail(inspection, options))


async def tail(inspection: Inspection, options: argparse.Namespace) -> int:
    queue = f"events.tail.{os.getpid()}.{new_id()}"
    binding = Binding(EVENTS, queue, options.pattern)
    topology = Topology((Queue(queue, "events", temporary=True),), (Exchange(EVENTS, "topic"),), (binding,))
    await inspection.engine.apply(await inspection.engine.plan(topology))
    consumer = await inspection.engine.consume(Subscription((queue,), "postroad events tail"), Ear())
    try:
        note(f"waiting for events of {options.pattern!r}; Ctrl-C ends it")
        return await follow(consumer, options)
    finally:
        await consumer.close()


async def follow(consumer: Consumer, options: argparse.Namespace) -> int:
    """Until there were enough of them, or the time is over: then 7 when fewer came than were asked for."""
    loop = asyncio.get_running_loop()
    until = None if options.timeout is None else loop.time() + options.timeout
    left = options.count
    settled: list[Settlement] = []
    while left != 0:
        rest_s = TURN_S if until is None else until - loop.time()
        if rest_s <= 0:
            return exits.TIMEOUT if left else exits.OK
        turn = await consumer.turn(settled, min(left or BATCH, BATCH), 0.0 if settled else min(rest_s, TURN_S))
        settled = [Settlement(delivery, ACCEPT) for delivery in turn.deliveries]
        for delivery in turn.deliveries:
            show(seen(delivery), options.output)
        left = None if left is None else left - len(turn.deliveries)
    if settled:
        await consumer.turn(settled, 0, 0.0)
    return exits.OK


def seen(delivery: Delivery) -> Seen:
    message = delivery.message
    text, encoded = body_of(message.body)
    return Seen(message.id, message.headers.get("ce_type", ""), message.queued_at, message.headers, text, encoded)


def show(event: Seen, output: str) -> None:
    """One line each, whatever the output: an array would never end."""
    if output == "text":
        body = event.body if event.body_base64 is None else f"base64 {event.body_base64}"
        print(line(f"{moment(event.at)}  {event.type}  {event.id}  {body}", WIDTH))
    else:
        print(as_json(event, indent=0))
    sys.stdout.flush()

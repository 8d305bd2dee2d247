"""A driver with one consumer, as a check uses them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

import msgspec

from postroad.core.delivery import Delivery
from postroad.core.message import Address, Message, Receipt, Refused, Send
from postroad.core.outcome import ACCEPT, Outcome, Settlement, SettlementFailure
from postroad.core.topology import Queue, Thing
from postroad.core.writes import Document, Write
from postroad.engine.identity import new_id
from postroad.ports.driver import Consumer, Driver, Inspectable, Operable, QueueDepth, Seat, Subscription, Supervisable
from postroad.ports.store import Store
from postroad.testing.conformance.engine import FOLLOWERS, QUEUE, Engine, establish

DEADLINE_S = 20.0
SILENCE_S = 0.25


class Ear:
    """A listener that remembers."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.gone: list[Delivery] = []

    def lost(self, held: Sequence[Delivery], why: str) -> None:
        self.gone.extend(held)

    def state(self, state: str) -> None:
        self.heard.append(state)


def message(body: bytes = b"0", **options: Any) -> Message:
    """A message with an id of its own, sent now."""
    options.setdefault("id", new_id())
    options.setdefault("queued_at", time.time())
    return Message(body=body, **options)


def numbered(count: int, **options: Any) -> list[Message]:
    """Messages with the bodies 0, 1, 2 …"""
    return [message(b"%d" % number, **options) for number in range(count)]


def send(sent: Message, queue: str = QUEUE) -> Send:
    return Send(Address(queue), sent)


def through(exchange: str, sent: Message, key: str = "", *, mandatory: bool = False) -> Send:
    """To whoever this exchange routes it."""
    return Send(Address(key, exchange), sent, mandatory)


def bodies(deliveries: Sequence[Delivery]) -> list[int]:
    """The numbers in their bodies."""
    return [int(delivery.message.body) for delivery in deliveries]


class Desk:
    """What a check does with one consumer of one driver. ``queue``: the first it consumes."""

    def __init__(self, driver: Driver, consumer: Consumer, queues: Sequence[str]) -> None:
        self.driver = driver
        self.consumer = consumer
        self.queue = queues[0]

    @property
    def store(self) -> Store:
        return cast(Store, self.driver)

    @property
    def looking(self) -> Inspectable:
        return cast(Inspectable, self.driver)

    @property
    def operating(self) -> Operable:
        return cast(Operable, self.driver)

    @property
    def supervising(self) -> Supervisable:
        return cast(Supervisable, self.driver)

    async def send(self, *sent: Message, queue: str | None = None) -> Sequence[Receipt | Refused]:
        return await self.driver.publish([send(each, queue or self.queue) for each in sent])

    async def publish(
        self, exchange: str, *sent: Message, key: str = "", mandatory: bool = False
    ) -> Sequence[Receipt | Refused]:
        """All of them through the exchange, by this routing key."""
        return await self.driver.publish([through(exchange, each, key, mandatory=mandatory) for each in sent])

    async def take(self, count: int, *, alone: bool = False) -> list[Delivery]:
        """Exactly this many, however many turns it takes. Raises AssertionError when they do not come."""
        taken: list[Delivery] = []
        deadline = time.monotonic() + DEADLINE_S
        while len(taken) < count:
            left = deadline - time.monotonic()
            assert left > 0, f"{len(taken)} of {count} messages came within {DEADLINE_S:g} s"
            turn = await self.consumer.turn((), count - len(taken), left, alone=alone)
            taken.extend(turn.deliveries)
        return taken

    async def take_one(self, *, alone: bool = False) -> Delivery:
        return (await self.take(1, alone=alone))[0]

    async def nothing(self, within_s: float = SILENCE_S) -> None:
        """No message comes."""
        turn = await self.consumer.turn((), 100, within_s)
        assert not turn.deliveries, f"{[each.message.body for each in turn.deliveries]} came"

    async def settle(self, *settlements: Settlement) -> Sequence[SettlementFailure]:
        return (await self.consumer.turn(settlements, 0, 0)).failures

    async def end(self, *deliveries: Delivery, outcome: Outcome = ACCEPT) -> None:
        """Settle them all alike; none may fail."""
        failures = await self.settle(*(Settlement(delivery, outcome) for delivery in deliveries))
        assert not failures, failures

    async def depth(self, queue: str | None = None) -> QueueDepth:
        depths = {depth.queue: depth for depth in await self.looking.queues()}
        return depths[queue or self.queue]

    async def documents(self, kind: str, *keys: str) -> dict[str, Document]:
        return {document.key: document for document in await self.store.get(kind, keys)}

    async def empty(self) -> None:
        """Nothing waits, nothing is held, nothing died."""
        depth = await self.depth()
        assert (depth.ready, depth.delayed, depth.in_flight, depth.dead) == (0, 0, 0, 0), depth


@asynccontextmanager
async def sit(
    engine: Engine, *queues: str, declares: Sequence[Thing] = (), seat: Seat | None = None, worker: str = ""
) -> AsyncIterator[Desk]:
    """A driver of its own and one consumer, both closed at the end."""
    async with (
        engine.driver(seat=seat, worker=worker) as driver,
        beside(driver, *queues, declares=declares, worker=worker) as desk,
    ):
        yield desk


@asynccontextmanager
async def beside(
    driver: Driver, *queues: str, declares: Sequence[Thing] = (), worker: str = ""
) -> AsyncIterator[Desk]:
    """One more consumer of an open driver. What it ``declares`` is there, and both queues that checks use; whatever else it
    consumes is a plain queue."""
    names = queues or (QUEUE,)
    told = {thing.name for thing in declares if isinstance(thing, Queue)}
    plain = [Queue(name) for name in dict.fromkeys((QUEUE, FOLLOWERS, *queues)) if name not in told]
    await establish(driver, *plain, *declares)
    consumer = await driver.consume(Subscription(names, worker), Ear())
    try:
        yield Desk(driver, consumer, names)
    finally:
        await consumer.close()


def settlement(
    delivery: Delivery, outcome: Outcome = ACCEPT, sends: Sequence[Send] = (), writes: Sequence[Write] = ()
) -> Settlement:
    return Settlement(delivery, outcome, tuple(sends), tuple(writes))


def as_sent(delivery: Delivery) -> Message:
    """The message as its sender knows it: `due_at` is the engine's to change, and it has passed."""
    return msgspec.structs.replace(delivery.message, due_at=None)


async def at_once(*awaitables: Any) -> list[Any]:
    """All of them at the same time; the first error is raised."""
    return list(await asyncio.gather(*awaitables))

"""A look at the depths is of one instant: a message on its way from one place to another is seen in one of them."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from postroad.core.message import Address, Message, Send
from postroad.core.outcome import Release, Settlement
from postroad.core.topology import Queue, Topology
from postroad.drivers.sqlite.driver import SqliteDriver
from postroad.observe.inspect import Inspection
from postroad.ports.driver import Consumer, Subscription

LOOKS = 2_000


class Deaf:
    """A listener with nothing to do."""

    def lost(self, held: object, why: str) -> None:
        return None

    def state(self, state: str) -> None:
        return None


async def retried_for_ever(consumer: Consumer) -> None:
    """From ready to held to delayed and back, as fast as it goes."""
    settled: list[Settlement] = []
    while True:
        turn = await consumer.turn(settled, 1, 1.0)
        settled = [Settlement(delivery, Release(0.0001)) for delivery in turn.deliveries]


async def counts_seen(file: Path) -> set[int]:
    async with SqliteDriver(str(file)) as driver, SqliteDriver(str(file)) as watching:
        await driver.apply(await driver.plan(Topology((Queue("default"),))))
        await driver.publish([Send(Address("default"), Message("one", b"[]", queued_at=time.time()))])
        consumer = await driver.consume(Subscription(("default",)), Deaf())
        moving = asyncio.create_task(retried_for_ever(consumer))
        seen = set()
        for _look in range(LOOKS):
            (queue,) = await Inspection(watching).queues()
            seen.add(queue.ready + queue.delayed + queue.in_flight)
        moving.cancel()
        await asyncio.wait([moving])
        await consumer.close()
    return seen


def test_a_message_that_moves_is_counted_once(tmp_path: Path) -> None:
    assert asyncio.run(counts_seen(tmp_path / "app.db")) == {1}

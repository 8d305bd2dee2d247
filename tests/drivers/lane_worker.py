"""A worker for the stress of lanes: handles what comes until its input ends, or until it is killed.

Arguments: the engine's file, the file it writes its starts into, the seed of its dice. Each end sends "key number" to the
queue `done` in the transaction of the settlement, so that the order there is the order of the ends.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import sys
import time

from postroad.core.delivery import Attempt, Delivery
from postroad.core.message import Address, Message, Send
from postroad.core.outcome import ACCEPT, Outcome, Reject, Release, Settlement
from postroad.core.slots import FREE, SLOT
from postroad.drivers.sqlite.driver import SqliteDriver
from postroad.ports.driver import Consumer, Subscription

PREFETCH = 12
CRASHES_MAX = 5
IDLE_S = 0.1
WORK = b"x" * 100_000


class Ear:
    def lost(self, held: object, why: str) -> None:
        raise AssertionError(why)

    def state(self, state: str) -> None:
        return None


class Handler:
    """Notes each start where whoever survives finds it, and in its own file."""

    def __init__(self, slots_path: str, starts_path: str, seed: int) -> None:
        self.slots = os.open(slots_path, os.O_RDWR)
        self.starts = os.open(starts_path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self.dice = random.Random(seed)

    def handle(self, delivery: Delivery) -> Settlement:
        os.pwrite(self.slots, SLOT.pack(*delivery.receipt, 1), 0)
        line = f"{delivery.message.key} {delivery.message.body.decode()} {time.monotonic_ns()}\n"
        os.write(self.starts, line.encode())
        hashlib.blake2b(WORK).digest()
        outcome = self.outcome(delivery)
        os.pwrite(self.slots, FREE, 0)
        if outcome is not ACCEPT:
            return Settlement(delivery, outcome)
        ended = Message(
            f"{delivery.message.id}-done", f'"{delivery.message.key} {delivery.message.body.decode()}"'.encode()
        )
        return Settlement(delivery, outcome, (Send(Address("done"), ended),))

    def outcome(self, delivery: Delivery) -> Outcome:
        if delivery.crashes >= CRASHES_MAX:
            return Reject("it kills its workers")
        thrown = self.dice.random()
        if thrown < 0.04:
            return Release(0.01 * self.dice.random(), counted=True, attempt=Attempt("error", "OSError", "try again"))
        return Release() if thrown < 0.07 else ACCEPT


async def work(driver: SqliteDriver, consumer: Consumer, handler: Handler, ended: asyncio.Future[bytes]) -> None:
    settled: list[Settlement] = []
    while not ended.done():
        turn = await consumer.turn(settled, PREFETCH, IDLE_S)
        assert not turn.failures, turn.failures
        settled = [handler.handle(delivery) for delivery in turn.deliveries]
        if turn.suspects_waiting:
            await consumer.turn(settled, 0, 0)
            settled = await suspect(consumer, handler)
        elif not settled:
            await driver.sweep()
    await consumer.turn(settled, 0, 0)


async def suspect(consumer: Consumer, handler: Handler) -> list[Settlement]:
    """One that runs alone, if it is still there."""
    turn = await consumer.turn((), 1, 0, alone=True)
    begun = await consumer.begin(turn.deliveries)
    return [handler.handle(each.delivery) for each in begun if each.verdict == "run"]


async def main(file: str, starts: str, seed: str) -> None:
    async with SqliteDriver(file) as driver:
        seat = driver.reserve(1)
        consumer = await driver.consume(Subscription(("work",), "lanes", seat), Ear())
        loop = asyncio.get_running_loop()
        ended = asyncio.ensure_future(loop.run_in_executor(None, sys.stdin.buffer.read))
        await work(driver, consumer, Handler(seat.slots_path, starts, int(seed)), ended)
        await consumer.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))

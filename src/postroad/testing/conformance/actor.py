"""The other process of a check: reads its part from the first line of its input, tells what it does line by line."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from postroad.core.delivery import Delivery
from postroad.core.outcome import ACCEPT, Outcome, Release
from postroad.core.slots import SLOT, SLOT_BYTES
from postroad.core.topology import Binding
from postroad.core.writes import Put
from postroad.drivers.registry import open_driver
from postroad.ports.driver import DeadLetterFilter, Driver, Operable, Seat, Subscription, Supervisable
from postroad.testing.conformance.desk import Desk, Ear, message, send, settlement, through
from postroad.testing.conformance.engine import FOLLOWERS, QUEUE, Actor, Cue, declare, establish

Part = Callable[[Cue], Awaitable[None]]


def tell(*words: object) -> None:
    """One line, written whole: a SIGKILL may lose it but never cuts it."""
    os.write(1, " ".join(map(str, words)).encode() + b"\n")


async def until_input_ends() -> None:
    loop = asyncio.get_running_loop()
    await loop.run_in_executor(None, sys.stdin.buffer.read)


async def consumer_of(driver: Driver, queue: str = QUEUE) -> Desk:
    await declare(driver, (QUEUE, FOLLOWERS))
    return Desk(driver, await driver.consume(Subscription((queue,), f"actor-{os.getpid()}"), Ear()), (queue,))


async def produce(cue: Cue) -> None:
    """Publish one after the other until killed; tell each number once it is confirmed."""
    size = int(cue.options.get("size", 1))
    async with open_driver(cue.url) as driver:
        await declare(driver, (QUEUE,))
        for number in range(10**9):
            sent = [message(b"%d" % number) for _ in range(size)]
            writes = [Put("batch", str(number), "{}")] if size > 1 else []
            await driver.publish([send(each) for each in sent], writes=writes)
            tell(number)


async def publish(cue: Cue) -> None:
    """Through ``exchange`` one after the other until killed; tell each number once it is confirmed."""
    async with open_driver(cue.url) as driver:
        for number in range(10**9):
            await driver.publish([through(cue.options["exchange"], message(b"%d" % number))])
            tell(number)


async def bind(cue: Cue) -> None:
    """``exchange`` to ``to``; say so; stay until the input ends."""
    async with open_driver(cue.url) as driver:
        await establish(driver, Binding(cue.options["exchange"], cue.options["to"]))
        tell("bound")
        await until_input_ends()


async def redrive(cue: Cue) -> None:
    """All dead letters there are, ten at a time, until killed; tell how many each time."""
    async with open_driver(cue.url) as driver:
        assert isinstance(driver, Operable)
        while True:
            tell((await driver.redrive(DeadLetterFilter(), 10)).count)


async def take_part(cue: Cue) -> None:
    """Take from ``queue`` without a turn, until killed."""
    async with open_driver(cue.url) as driver:
        await driver.consume(Subscription((cue.options["queue"],), f"actor-{os.getpid()}"), Ear())
        tell("taking part")
        await until_input_ends()


async def hold(cue: Cue) -> None:
    """Take ``limit``, of ``queue`` if it is given; start ``running`` of them, noted in the seat's slots; then hold them until killed.

    ``deaf``: also when the input ends, as it does when the supervisor dies.
    """
    async with open_driver(cue.url, seat=cue.seat) as driver:
        desk = await consumer_of(driver, cue.options.get("queue", QUEUE))
        taken = await desk.take(int(cue.options["limit"]))
        start(cue.seat, taken[: int(cue.options.get("running", 0))])
        tell("holding", *(each.message.id for each in taken))
        await (asyncio.Event().wait() if cue.options.get("deaf") else until_input_ends())


async def hold_suspect(cue: Cue) -> None:
    """Take one that must run alone; unless ``begin`` is 0, begin it; hold it until killed."""
    async with open_driver(cue.url, seat=cue.seat) as driver:
        desk = await consumer_of(driver)
        taken = await desk.take(1, alone=True)
        if cue.options.get("begin", 1):
            begun = await desk.consumer.begin(taken)
            assert [each.verdict for each in begun] == ["run"]
            start(cue.seat, taken)
        tell("holding", taken[0].message.id)
        await until_input_ends()


async def settle_and_hold(cue: Cue) -> None:
    """Take three, start the first, end it; hold the others, not started, until killed."""
    async with open_driver(cue.url, seat=cue.seat) as driver:
        desk = await consumer_of(driver)
        taken = await desk.take(3)
        start(cue.seat, taken[:1])
        await desk.end(taken[0])
        start(cue.seat, [])
        tell("holding")
        await until_input_ends()


def start(seat: Seat | None, taken: list[Delivery]) -> None:
    """Note these as started, as an executor does."""
    if seat is None:
        return
    fd = os.open(seat.slots_path, os.O_RDWR)
    for index, delivery in enumerate(taken):
        os.pwrite(fd, SLOT.pack(*delivery.receipt, 1), index * SLOT_BYTES)
    os.close(fd)


async def work(cue: Cue) -> None:
    """Handle what comes until the input ends: tell key, body and when, at start and end; release some once."""
    async with open_driver(cue.url) as driver:
        desk = await consumer_of(driver, cue.options.get("queue", QUEUE))
        ended = asyncio.ensure_future(until_input_ends())
        while not ended.done():
            turn = await desk.consumer.turn((), 5, 0.2)
            for delivery in turn.deliveries:
                await handle(desk, delivery, bool(cue.options.get("follow")))
        await desk.consumer.close()


async def handle(desk: Desk, delivery: Delivery, follow: bool) -> None:
    number = delivery.message.body.decode()
    tell("start", delivery.message.key, number, time.monotonic_ns())
    await asyncio.sleep(0)
    outcome: Outcome = Release(0.01, counted=True) if int(number) % 7 == 3 and delivery.attempt == 1 else ACCEPT
    tell("end", delivery.message.key, number, time.monotonic_ns(), type(outcome).__name__)
    following = [send(message(delivery.message.body), FOLLOWERS)] if follow and outcome is ACCEPT else []
    writes = [Put("handled", number, "{}")] if follow and outcome is ACCEPT else []
    await desk.settle(settlement(delivery, outcome, following, writes))


async def supervise(cue: Cue) -> None:
    """Reserve a seat and start a child that holds from it; tell the child's process number."""
    async with open_driver(cue.url) as driver:
        assert isinstance(driver, Supervisable)
        seat = driver.reserve(4)
        child = await Actor.start(cue.url, "hold", seat, {**cue.options, "deaf": True})
        tell("child", child.process.pid)
        tell(await child.line())
        await until_input_ends()


PARTS: dict[str, Part] = {
    "produce": produce,
    "publish": publish,
    "bind": bind,
    "redrive": redrive,
    "take part": take_part,
    "hold": hold,
    "hold suspect": hold_suspect,
    "settle and hold": settle_and_hold,
    "work": work,
    "supervise": supervise,
}


def main() -> Any:
    cue = msgspec.json.decode(sys.stdin.buffer.readline(), type=Cue)
    asyncio.run(PARTS[cue.part](cue))  # type: ignore[arg-type]


if __name__ == "__main__":
    main()

"""Exclusive queues have one process at a time; temporary ones go with the process that takes from them."""

from __future__ import annotations

import asyncio
import time

from postroad.core.message import Receipt, Refused
from postroad.core.topology import Binding, Exchange, Queue, Thing
from postroad.errors import QueueExclusive
from postroad.ports.driver import Subscription
from postroad.testing.conformance.check import promise
from postroad.testing.conformance.desk import DEADLINE_S, Desk, Ear, beside, bodies, message, numbered, sit
from postroad.testing.conformance.engine import Engine, establish

check = promise("temporary and exclusive")

ALONE = Queue("alone", exclusive=True)
MINE = Queue("mine", temporary=True)
HEARS: tuple[Thing, ...] = (MINE, Exchange("x", "fanout"), Binding("x", "mine"))


async def refused(desk: Desk, queue: str) -> str:
    """What is said to whoever wants to take from it too."""
    try:
        consumer = await desk.driver.consume(Subscription((queue,)), Ear())
    except QueueExclusive as error:
        return str(error)
    await consumer.close()
    raise AssertionError(f"two processes take from {queue}")


async def swept_until_gone(desk: Desk, queue: str) -> None:
    """Whoever died is noticed, and the queue goes."""
    deadline = time.monotonic() + DEADLINE_S
    while queue in {each.name for each in (await desk.driver.topology()).queues}:
        assert time.monotonic() < deadline, f"{queue} stays though its process is gone"
        await desk.supervising.sweep()
        await asyncio.sleep(0.01)


@check("processes", "holders seen")
async def an_exclusive_queue_is_one_processs(engine: Engine) -> None:
    async with sit(engine, declares=[ALONE]) as desk, await engine.actor("take part", queue="alone") as actor:
        assert await actor.line() == "taking part"
        said = await refused(desk, "alone")
        assert "'alone'" in said and "exclusive" in said
        await desk.send(message(b"1"), queue="alone")
        assert (await desk.depth("alone")).ready == 1


@check("processes", "holders seen")
async def an_exclusive_queue_is_free_when_its_process_was_killed(engine: Engine) -> None:
    async with sit(engine, declares=[ALONE]) as desk:
        await desk.send(*numbered(2), queue="alone")
        async with await engine.actor("hold", queue="alone", limit=1) as actor:
            await actor.line()
            await refused(desk, "alone")
            await actor.kill()
        async with beside(desk.driver, "alone", declares=[ALONE]) as taker:
            await desk.supervising.sweep()
            assert sorted(bodies(await taker.take(2))) == [0, 1]


@check("processes", "holders seen")
async def an_exclusive_queue_is_free_when_its_process_left(engine: Engine) -> None:
    async with sit(engine, declares=[ALONE]) as desk:
        async with await engine.actor("take part", queue="alone") as actor:
            await actor.line()
            await actor.finish()
        async with beside(desk.driver, "alone", declares=[ALONE]) as taker:
            await taker.send(message(b"1"))
            assert bodies(await taker.take(1)) == [1]


@check("processes", "shared", "holders seen")
async def an_exclusive_queue_is_free_when_its_consumer_was_closed(engine: Engine) -> None:
    async with sit(engine, declares=[ALONE]) as desk:
        async with beside(desk.driver, "alone", declares=[ALONE]):
            pass
        async with await engine.actor("take part", queue="alone") as actor:
            assert await actor.line() == "taking part"


@check("processes", "holders seen", "exchanges")
async def who_is_refused_one_of_its_queues_takes_part_in_none(engine: Engine) -> None:
    async with sit(engine, declares=[ALONE]) as desk, await engine.actor("take part", queue="alone") as actor:
        await actor.line()
        consumers = (await desk.depth()).consumers
        try:
            await desk.driver.consume(Subscription((desk.queue, "alone")), Ear())
        except QueueExclusive:
            assert (await desk.depth()).consumers == consumers
        else:
            raise AssertionError("two processes take from an exclusive queue")


@check("processes", "holders seen", "exchanges")
async def a_temporary_queue_goes_with_its_process_and_with_its_bindings(engine: Engine) -> None:
    async with sit(engine, declares=HEARS) as desk:
        async with await engine.actor("hold", queue="mine", limit=1) as actor:
            await desk.publish("x", *numbered(3))
            await actor.line()
            assert (await desk.depth("mine")).in_flight == 1
            await actor.kill()
        await swept_until_gone(desk, "mine")
        assert (await desk.driver.topology()).bindings == ()
        (answer,) = await desk.publish("x", message())
        assert isinstance(answer, Receipt)
        assert answer.routed == 0
        (straight,) = await desk.send(message(), queue="mine")
        assert isinstance(straight, Refused)
        assert "mine" not in {each.queue for each in await desk.looking.queues()}
        assert await desk.looking.list_messages(None, 10) == []


@check("processes", "holders seen", "exchanges")
async def a_temporary_queue_stays_while_its_process_lives(engine: Engine) -> None:
    async with sit(engine, declares=HEARS) as desk, await engine.actor("hold", queue="mine", limit=1) as actor:
        await desk.publish("x", *numbered(3))
        await actor.line()
        for _ in range(3):
            await desk.supervising.sweep()
        assert ((await desk.depth("mine")).ready, (await desk.depth("mine")).in_flight) == (2, 1)


@check("exchanges")
async def a_temporary_queue_goes_when_its_consumer_is_closed(engine: Engine) -> None:
    async with sit(engine) as desk:
        async with beside(desk.driver, "mine", declares=HEARS) as taker:
            await desk.publish("x", *numbered(3))
            assert bodies(await taker.take(2)) == [0, 1]
        there = await desk.driver.topology()
        assert "mine" not in {queue.name for queue in there.queues}
        assert there.bindings == ()
        (answer,) = await desk.publish("x", message())
        assert isinstance(answer, Receipt)
        assert answer.routed == 0


@check("exchanges")
async def a_temporary_queue_can_be_made_again(engine: Engine) -> None:
    async with sit(engine) as desk:
        for number in range(3):
            async with beside(desk.driver, "mine", declares=HEARS) as taker:
                await desk.publish("x", message(b"%d" % number))
                assert bodies(await taker.take(1)) == [number]
                await taker.nothing(0)


@check("processes", "holders seen", "exchanges")
async def processes_have_a_temporary_queue_each(engine: Engine) -> None:
    things: list[Thing] = [Exchange("x", "fanout")]
    for name in ("one", "two"):
        things += [Queue(name, temporary=True), Binding("x", name)]
    async with sit(engine, declares=things) as desk:
        async with await engine.actor("hold", queue="one", limit=1) as one:
            async with await engine.actor("hold", queue="two", limit=1) as two:
                await desk.publish("x", message(b"1"))
                assert [await actor.line() for actor in (one, two)]
                await two.kill()
            await swept_until_gone(desk, "two")
            (answer,) = await desk.publish("x", message(b"2"))
            assert isinstance(answer, Receipt)
            assert answer.routed == 1
        await establish(desk.driver, Queue("two", temporary=True))

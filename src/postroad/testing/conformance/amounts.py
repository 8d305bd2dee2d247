"""Capabilities: every amount that is claimed is reached, and what is not claimed is refused in words."""

from __future__ import annotations

from postroad.core.capabilities import Settling
from postroad.core.message import KEY_LENGTH_MAX, PRIORITY_MAX, Address, Refused, Send
from postroad.core.topology import Queue, Topology
from postroad.errors import NotSupported, TopologyConflict
from postroad.ports.driver import Driver
from postroad.testing.conformance.check import promise
from postroad.testing.conformance.desk import as_sent, beside, bodies, message, numbered, sit
from postroad.testing.conformance.engine import Engine

check = promise("amounts")


@check()
async def a_body_may_have_as_many_bytes_as_are_claimed(engine: Engine) -> None:
    async with sit(engine) as desk:
        size = desk.driver.offers(desk.queue).body_bytes_max
        for byte in (b"x", b"\xff"):
            sent = message(byte * size)
            await desk.send(sent)
            delivery = await desk.take_one()
            assert delivery.message.body == sent.body
            await desk.end(delivery)


@check()
async def headers_may_have_as_many_bytes_as_are_claimed(engine: Engine) -> None:
    async with sit(engine) as desk:
        size = desk.driver.offers(desk.queue).headers_bytes_max
        many = {f"header-{n:05d}": "v" * 87 for n in range(size // 100)}
        one = {"h": "\u20ac" * ((size - 1) // 3)}
        for headers in (many, one):
            sent = message(headers=headers)
            await desk.send(sent)
            assert as_sent(await desk.take_one()) == sent


@check()
async def a_batch_may_have_as_many_messages_as_are_claimed(engine: Engine) -> None:
    async with sit(engine) as desk:
        size = desk.driver.offers(desk.queue).batch_max
        answers = await desk.send(*numbered(size))
        assert not [answer for answer in answers if isinstance(answer, Refused)]
        turn = await desk.consumer.turn((), size, 10)
        assert bodies(turn.deliveries) == list(range(len(turn.deliveries)))
        assert bodies([*turn.deliveries, *await desk.take(size - len(turn.deliveries))]) == list(range(size))


@check()
async def a_batch_of_large_bodies_goes_through(engine: Engine) -> None:
    async with sit(engine) as desk:
        sent = [message(bytes([n]) * 1_000_000) for n in range(24)]
        await desk.send(*sent)
        taken = await desk.take(24)
        assert [each.message.body for each in taken] == [each.body for each in sent]


@check("priority")
async def there_are_as_many_priorities_as_are_claimed(engine: Engine) -> None:
    async with sit(engine) as desk:
        levels = desk.driver.offers(desk.queue).priority_levels
        assert 2 <= levels <= PRIORITY_MAX + 1
        spread = [round(level * PRIORITY_MAX / (levels - 1)) for level in range(levels)]
        await desk.send(*[message(b"%d" % priority, priority=priority) for priority in spread])
        assert bodies(await desk.take(levels)) == spread[::-1]


@check("lanes")
async def a_key_may_be_long(engine: Engine) -> None:
    async with sit(engine) as desk:
        key = "\u20ac" * KEY_LENGTH_MAX
        await desk.send(message(b"0", key=key), message(b"1", key=key), message(b"2", key=key[:-1]))
        taken = await desk.take(2)
        assert sorted(bodies(taken)) == [0, 2]
        assert {each.message.key for each in taken} == {key, key[:-1]}


@check()
async def each_delivery_is_settled_by_itself_where_that_is_claimed(engine: Engine) -> None:
    async with sit(engine) as desk:
        if desk.driver.offers(desk.queue).settling is not Settling.EACH:
            return
        await desk.send(*numbered(5))
        taken = await desk.take(5)
        await desk.end(taken[3], taken[1])
        await desk.consumer.close()
        async with beside(desk.driver) as again:
            assert bodies(await again.take(3)) == [0, 2, 4]


@check()
async def an_exchange_that_is_not_claimed_is_refused(engine: Engine) -> None:
    async with sit(engine) as desk:
        if "topic" in desk.driver.offers(desk.queue).exchanges:
            return
        answers = await desk.driver.publish([Send(Address(desk.queue, exchange="logs"), message())])
        assert isinstance(answers[0], Refused)
        assert "logs" in answers[0].reason
        await desk.nothing(0)


@check()
async def a_bound_that_is_not_claimed_is_refused_when_declared(engine: Engine) -> None:
    async with sit(engine) as desk:
        claimed = desk.driver.offers(desk.queue).max_length
        for overflow in {"reject", "block", "drop_oldest"} - set(claimed):
            queue = Queue(f"bounded-{overflow}", max_length=10, overflow=overflow)
            try:
                await declare_as(desk.driver, queue)
            except NotSupported as error:
                assert "max_length" in str(error)
            else:
                raise AssertionError(f"{queue} was declared, and would not be kept")


async def declare_as(driver: Driver, queue: Queue) -> None:
    await driver.apply(await driver.plan(Topology((queue,))))


@check()
async def a_queue_declared_otherwise_is_a_conflict_and_changes_nothing(engine: Engine) -> None:
    async with sit(engine) as desk:
        await declare_as(desk.driver, Queue("media", carries="tasks"))
        try:
            await declare_as(desk.driver, Queue("media", carries="messages"))
        except TopologyConflict as error:
            assert "media" in str(error) and "tasks" in str(error) and "messages" in str(error)
        else:
            raise AssertionError("a queue was declared twice, otherwise")
        assert not await desk.driver.plan(Topology((Queue("media", carries="tasks"),)))

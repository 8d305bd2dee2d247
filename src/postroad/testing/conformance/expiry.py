"""A queue's ttl (E28): what waits longer than that has expired, wherever it came from."""

from __future__ import annotations

import time

from postroad.core.outcome import Release
from postroad.core.topology import Binding, Exchange, Queue
from postroad.testing.conformance.check import promise
from postroad.testing.conformance.desk import Desk, beside, message, send, settlement, sit
from postroad.testing.conformance.engine import Engine

check = promise("9 ttl of queues")

SHORT = Queue("short", ttl_s=100.0)


async def expiries(desk: Desk, count: int) -> list[float | None]:
    return [each.message.expires_at for each in await desk.take(count)]


@check()
async def a_message_expires_when_the_queues_ttl_is_over_or_its_own(engine: Engine) -> None:
    async with sit(engine, "short", declares=[SHORT]) as desk:
        now = time.time()
        own = (None, now + 50, now + 500, now - 5)
        await desk.send(*[message(b"%d" % n, queued_at=now, expires_at=each) for n, each in enumerate(own)])
        assert await expiries(desk, 4) == [now + 100, now + 50, now + 100, now - 5]


@check()
async def a_queue_without_ttl_changes_no_expiry(engine: Engine) -> None:
    async with sit(engine, "short", "long", declares=[SHORT, Queue("long")]) as desk:
        now = time.time()
        for queue in ("short", "long"):
            await desk.send(message(queued_at=now), message(queued_at=now, expires_at=now + 500), queue=queue)
        found = {(each.source, each.message.expires_at) for each in await desk.take(4)}
        assert found == {("short", now + 100), ("long", None), ("long", now + 500)}


@check("exchanges")
async def each_copy_has_the_expiry_of_its_queue(engine: Engine) -> None:
    queues = [SHORT, Queue("longer", ttl_s=200.0), Queue("long")]
    bound = [Binding("x", queue.name) for queue in queues]
    async with sit(engine, "short", "longer", "long", declares=[*queues, Exchange("x", "fanout"), *bound]) as desk:
        now = time.time()
        await desk.publish("x", message(queued_at=now))
        found = {each.source: each.message.expires_at for each in await desk.take(3)}
        assert found == {"short": now + 100, "longer": now + 200, "long": None}


@check("atomic")
async def what_a_handler_sends_expires_too(engine: Engine) -> None:
    async with sit(engine, declares=[SHORT]) as desk:
        await desk.send(message())
        now = time.time()
        sends = [send(message(queued_at=now), "short")]
        assert not await desk.settle(settlement(await desk.take_one(), sends=sends))
        async with beside(desk.driver, "short", declares=[SHORT]) as taker:
            assert await expiries(taker, 1) == [now + 100]


@check("release", "delay")
async def a_retry_does_not_prolong_it(engine: Engine) -> None:
    async with sit(engine, "short", declares=[SHORT]) as desk:
        now = time.time()
        await desk.send(message(queued_at=now))
        for delay_s in (0.0, 0.05):
            await desk.end(await desk.take_one(), outcome=Release(delay_s, counted=True))
        assert await expiries(desk, 1) == [now + 100]


@check("kept")
async def it_is_kept_after_reopening(engine: Engine) -> None:
    now = time.time()
    async with sit(engine, "short", declares=[SHORT]) as desk:
        await desk.send(message(queued_at=now))
    async with sit(engine, "short", declares=[SHORT]) as desk:
        await desk.send(message(queued_at=now + 7))
        assert await expiries(desk, 2) == [now + 100, now + 107]


@check("delay")
async def a_delay_is_a_part_of_the_wait(engine: Engine) -> None:
    async with sit(engine, "short", declares=[SHORT]) as desk:
        now = time.time()
        await desk.send(message(queued_at=now, due_at=now + 0.1))
        assert await expiries(desk, 1) == [now + 100]

"""16. A consumer that goes in good order gives back what it holds, uncounted, to the place it had."""

from __future__ import annotations

import asyncio

from postroad.testing.conformance.check import promise
from postroad.testing.conformance.desk import beside, bodies, message, numbered, settlement, sit
from postroad.testing.conformance.engine import Engine

check = promise("16 drain")


@check("uncounted")
async def what_is_held_is_given_back_uncounted(engine: Engine) -> None:
    async with sit(engine) as desk, beside(desk.driver) as other:
        await desk.send(*numbered(5))
        assert len(await other.take(4)) == 4
        await other.consumer.close()
        again = await desk.take(5)
        assert bodies(again) == list(range(5))
        assert {(each.attempt, each.crashes, each.suspect, each.history) for each in again} == {(1, 0, False, ())}


@check("uncounted")
async def it_is_given_back_at_once(engine: Engine) -> None:
    async with sit(engine) as desk, beside(desk.driver) as other:
        await desk.send(message(b"1"))
        await other.take(1)
        waiting = asyncio.ensure_future(desk.take(1))
        await other.consumer.close()
        assert bodies(await asyncio.wait_for(waiting, 5)) == [1]


@check("uncounted", "lanes")
async def lanes_go_on_in_order(engine: Engine) -> None:
    async with sit(engine) as desk, beside(desk.driver) as other:
        await desk.send(*numbered(3, key="a"))
        await other.take(1)
        await other.consumer.close()
        for number in range(3):
            delivery = await desk.take_one()
            assert bodies([delivery]) == [number]
            await desk.nothing(0)
            await desk.end(delivery)


@check("uncounted")
async def only_its_own_is_given_back(engine: Engine) -> None:
    async with sit(engine) as desk, beside(desk.driver) as other:
        await desk.send(*numbered(4))
        mine = await desk.take(2)
        await other.take(2)
        await other.consumer.close()
        assert bodies(await desk.take(2)) == [2, 3]
        await desk.nothing(0)
        await desk.end(*mine)


@check()
async def what_was_given_back_is_no_longer_ones_own(engine: Engine) -> None:
    async with sit(engine) as desk, beside(desk.driver) as other:
        await desk.send(message(b"1"))
        stale = await other.take_one()
        await other.consumer.close()
        assert [failure.kind for failure in await desk.settle(settlement(stale))] == ["lost"]
        assert bodies(await desk.take(1)) == [1]


@check("looking")
async def closing_twice_or_with_nothing_held_is_fine(engine: Engine) -> None:
    async with sit(engine) as desk, beside(desk.driver) as other:
        await other.consumer.close()
        await other.consumer.close()
        await desk.send(message(b"1"))
        await desk.end(await desk.take_one())
        await desk.empty()

"""4. Fencing: who lost a delivery can neither settle it nor make anything of it happen."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from postroad.core.delivery import Delivery
from postroad.core.outcome import ACCEPT, Outcome, Reject, Release
from postroad.core.writes import Put
from postroad.testing.conformance.check import promise
from postroad.testing.conformance.desk import Desk, beside, bodies, message, numbered, send, settlement, sit
from postroad.testing.conformance.engine import FOLLOWERS, Engine

check = promise("4 fencing")


@asynccontextmanager
async def robbed(engine: Engine, count: int) -> AsyncIterator[tuple[Desk, Desk, list[Delivery]]]:
    """A supervisor's desk, and one whose process is taken for dead while it holds so many messages, and lives on."""
    async with sit(engine) as desk:
        await desk.send(*numbered(count))
        seat = desk.supervising.reserve(4)
        async with sit(engine, seat=seat) as zombie:
            held = await zombie.take(count)
            assert await desk.supervising.vacate(seat) == count
            yield desk, zombie, held


async def try_to_settle(engine: Engine, outcome: Outcome) -> None:
    async with robbed(engine, 1) as (desk, zombie, held):
        stale = settlement(held[0], outcome, [send(message(), FOLLOWERS)], [Put("mark", "stale", "{}")])
        failures = await zombie.settle(stale)
        assert [(failure.settlement, failure.kind) for failure in failures] == [(stale, "lost")]
        assert failures[0].reason
        assert not await desk.documents("mark", "stale")
        assert (await desk.depth(FOLLOWERS)).ready == 0
        again = await desk.take_one()
        assert (again.attempt, again.message) == (1, held[0].message)
        await desk.end(again)
        await desk.empty()


@check("holders seen", "shared", "documents", "looking")
async def a_stale_accept_is_lost_with_all_its_output(engine: Engine) -> None:
    await try_to_settle(engine, ACCEPT)


@check("holders seen", "shared", "documents", "looking", "release")
async def a_stale_release_is_lost_with_all_its_output(engine: Engine) -> None:
    await try_to_settle(engine, Release(60, counted=True))


@check("holders seen", "shared", "documents", "looking")
async def a_stale_reject_is_lost_with_all_its_output(engine: Engine) -> None:
    await try_to_settle(engine, Reject("stale"))


@check("holders seen", "shared", "documents", "looking")
async def a_stale_holder_cannot_disturb_the_new_one(engine: Engine) -> None:
    async with robbed(engine, 1) as (desk, zombie, held):
        current = await desk.take_one()
        failures = await zombie.settle(settlement(held[0], Release()))
        assert [failure.kind for failure in failures] == ["lost"]
        assert (await desk.depth()).in_flight == 1
        await desk.end(current)
        assert [each.kind for each in await zombie.settle(settlement(held[0]))] == ["lost"]
        await desk.empty()


@check("holders seen", "shared", "documents", "looking")
async def one_stale_settlement_does_not_hold_up_its_neighbours(engine: Engine) -> None:
    async with robbed(engine, 1) as (desk, zombie, held):
        await desk.end(await desk.take_one())
        await desk.send(*numbered(3)[1:])
        fresh = await zombie.take(2)
        batch = [
            settlement(each, ACCEPT, [send(message(each.message.body), FOLLOWERS)], [Put("mark", str(n), "{}")])
            for n, each in enumerate([fresh[0], held[0], fresh[1]])
        ]
        failures = await zombie.settle(*batch)
        assert [(failure.settlement, failure.kind) for failure in failures] == [(batch[1], "lost")]
        assert set(await desk.documents("mark", "0", "1", "2")) == {"0", "2"}
        assert (await desk.depth(FOLLOWERS)).ready == 2
        await desk.empty()


@check("looking", "documents")
async def what_was_settled_once_cannot_be_settled_again(engine: Engine) -> None:
    async with sit(engine) as desk:
        await desk.send(message(b"1"))
        delivery = await desk.take_one()
        following = settlement(delivery, ACCEPT, [send(message(b"2"), FOLLOWERS)])
        assert not await desk.settle(following)
        assert [failure.kind for failure in await desk.settle(following)] == ["lost"]
        assert (await desk.depth(FOLLOWERS)).ready == 1


@check("looking")
async def of_two_settlements_of_one_delivery_in_a_batch_one_counts(engine: Engine) -> None:
    async with sit(engine) as desk, beside(desk.driver, FOLLOWERS) as followers:
        await desk.send(*numbered(2))
        first, second = await desk.take(2)
        twice = [settlement(first, ACCEPT, [send(message(b"%d" % n), FOLLOWERS)]) for n in range(2)]
        failures = await desk.settle(twice[0], settlement(second), twice[1])
        assert [failure.kind for failure in failures] == ["lost"]
        assert bodies(await followers.take(1)) == [0]
        await followers.nothing(0)
        assert (await desk.depth()).in_flight == 0


@check("holders seen", "shared")
async def extend_tells_what_is_lost(engine: Engine) -> None:
    async with robbed(engine, 2) as (desk, zombie, held):
        assert await zombie.consumer.extend(held) == held
        current = await desk.take(2)
        assert await desk.consumer.extend(current) == []


@check("holders seen", "shared")
async def begin_tells_what_is_lost(engine: Engine) -> None:
    async with robbed(engine, 1) as (desk, zombie, held):
        assert [begun.verdict for begun in await zombie.consumer.begin(held)] == ["lost"]
        again = await desk.take_one()
        assert (again.crashes, bodies([again])) == (0, [0])


@check("holders seen", "shared", "looking")
async def a_stale_receipt_beside_the_fresh_one_does_not_hide_it(engine: Engine) -> None:
    async with robbed(engine, 1) as (desk, zombie, held):
        async with beside(zombie.driver) as again:
            fresh = await again.take_one()
            failures = await again.settle(settlement(fresh), settlement(held[0]))
            assert [(each.settlement.delivery.receipt, each.kind) for each in failures] == [(held[0].receipt, "lost")]
        await desk.empty()


@check("lanes", "looking")
async def one_stale_settlement_does_not_hold_up_a_lane(engine: Engine) -> None:
    async with sit(engine) as desk:
        await desk.send(message(b"0"), *numbered(3, key="a")[1:])
        stale, keyed = await desk.take(2)
        await desk.end(stale)
        failures = await desk.settle(settlement(stale), settlement(keyed))
        assert [(failure.settlement.delivery, failure.kind) for failure in failures] == [(stale, "lost")]
        assert bodies(await desk.take(1)) == [2]

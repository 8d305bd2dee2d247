"""Events: each group has one copy, its members share it, and it waits for a group that nobody consumes (E14)."""

from __future__ import annotations

from collections import defaultdict

from postroad.core.message import Message, Receipt
from postroad.core.outcome import Release
from postroad.core.routing import EVENTS
from postroad.core.topology import Binding, Exchange, Queue, Thing
from postroad.testing.conformance.check import promise
from postroad.testing.conformance.desk import Desk, at_once, beside, bodies, message, numbered, sit
from postroad.testing.conformance.engine import Engine, establish
from postroad.testing.conformance.order import events_until

check = promise("events")

EXCHANGE = Exchange(EVENTS, "topic")


def group(name: str, *patterns: str, temporary: bool = False) -> list[Thing]:
    """A subscription: the group's queue, bound by types and patterns."""
    queue = Queue(f"events.{name}", carries="" if temporary else "events", temporary=temporary)
    return [EXCHANGE, queue, *(Binding(EVENTS, queue.name, pattern) for pattern in patterns)]


def event(number: int, **options: str) -> Message:
    return message(b"%d" % number, dedupe=True, headers={"ce_type": "order.created", "ce_source": "shop"}, **options)


async def publish(desk: Desk, *sent: Message, type: str = "order.created") -> list[int]:
    """To how many groups each went."""
    answers = await desk.publish(EVENTS, *sent, key=type)
    assert all(isinstance(answer, Receipt) for answer in answers), answers
    return [answer.routed for answer in answers if isinstance(answer, Receipt)]


async def all_of(desk: Desk, name: str) -> list[int]:
    """What waits for the group, taken and ended."""
    async with beside(desk.driver, f"events.{name}", declares=group(name)) as taker:
        deliveries = (await taker.consumer.turn((), 1000, 0)).deliveries
        await taker.end(*deliveries)
        return bodies(deliveries)


@check("exchanges")
async def each_group_has_its_own_copy(engine: Engine) -> None:
    things = [*group("stock", "order.created"), *group("audit", "order.*"), *group("mail", "user.#")]
    async with sit(engine, declares=things) as desk:
        assert await publish(desk, *map(event, range(3))) == [2] * 3
        assert await publish(desk, event(3), type="order.paid") == [1]
        assert [await all_of(desk, name) for name in ("stock", "audit", "mail")] == [[0, 1, 2], [0, 1, 2, 3], []]


@check("exchanges")
async def members_of_a_group_share_its_copies(engine: Engine) -> None:
    queue = "events.stock"
    async with (
        sit(engine, queue, declares=group("stock", "#")) as one,
        beside(one.driver, queue, declares=group("stock")) as other,
    ):
        await publish(one, *map(event, range(20)))
        taken = [each for _ in range(5) for desk in (one, other) for each in await desk.take(2)]
        assert sorted(bodies(taken)) == list(range(20))
        await one.nothing(0)


@check("exchanges")
async def a_group_gets_what_is_published_while_nobody_consumes(engine: Engine) -> None:
    async with sit(engine, declares=group("early", "order.*")) as desk:
        await publish(desk, *map(event, range(2)))
        await establish(desk.driver, *group("late", "order.*"))
        await publish(desk, event(2))
        assert await all_of(desk, "early") == [0, 1, 2]
        assert await all_of(desk, "late") == [2], "it was registered after the first two"


@check("exchanges", "kept")
async def a_registered_group_is_kept(engine: Engine) -> None:
    async with sit(engine, declares=group("stock", "order.*")):
        pass
    async with sit(engine) as desk:
        assert await publish(desk, event(1)) == [1]
    async with sit(engine) as desk:
        assert await all_of(desk, "stock") == [1]


@check("exchanges")
async def a_group_with_several_patterns_has_one_copy(engine: Engine) -> None:
    async with sit(engine, declares=group("audit", "order.*", "order.#", "#", "order.created")) as desk:
        assert await publish(desk, event(1)) == [1]
        assert await all_of(desk, "audit") == [1]


@check("exchanges")
async def an_event_sent_again_by_its_id_is_no_second_one(engine: Engine) -> None:
    """A foreign producer that did not hear the answer, or a relay: groups that had it do not get it again."""
    async with sit(engine, declares=[*group("stock", "#"), *group("audit", "#")]) as desk:
        sent = event(1)
        await publish(desk, sent)
        (answer,) = await desk.publish(EVENTS, sent, key="order.created")
        assert isinstance(answer, Receipt)
        assert answer.duplicate_of == sent.id
        assert await all_of(desk, "stock") == [1]
        await publish(desk, sent)
        assert [await all_of(desk, name) for name in ("stock", "audit")] == [[], [1]]


@check("exchanges")
async def a_group_registered_between_two_sends_of_one_event_gets_the_second(engine: Engine) -> None:
    async with sit(engine, declares=group("stock", "#")) as desk:
        sent = event(1)
        await publish(desk, sent)
        await establish(desk.driver, *group("late", "#"))
        await publish(desk, sent)
        assert [await all_of(desk, name) for name in ("stock", "late")] == [[1], [1]]


@check("exchanges", "release")
async def a_retry_in_one_group_is_nothing_to_another(engine: Engine) -> None:
    async with sit(engine, declares=[*group("stock", "#"), *group("audit", "#")]) as desk:
        await publish(desk, event(1))
        async with beside(desk.driver, "events.stock", declares=group("stock")) as taker:
            for attempt in (1, 2, 3):
                delivery = await taker.take_one()
                assert delivery.attempt == attempt
                await taker.end(delivery, outcome=Release(0, counted=True))
        async with beside(desk.driver, "events.audit", declares=group("audit")) as other:
            assert (await other.take_one()).attempt == 1


@check("exchanges", "lanes")
async def the_order_of_a_key_is_each_groups_own(engine: Engine) -> None:
    async with (
        sit(engine, "events.stock", declares=group("stock", "#")) as desk,
        beside(desk.driver, "events.audit", declares=group("audit", "#")) as other,
    ):
        await publish(desk, *(event(n, key="order-1") for n in range(3)))
        held = await desk.take_one()
        await desk.nothing(0)
        for number in range(3):
            delivery = await other.take_one()
            assert bodies([delivery]) == [number]
            await other.nothing(0)
            await other.end(delivery)
        await desk.end(held, outcome=Release(0, counted=True))
        assert bodies(await desk.take(1)) == [0]


@check("exchanges", "lanes", "processes")
async def keys_stay_in_order_in_a_group_of_several_processes(engine: Engine) -> None:
    count, keys = 120, 6
    things = group("stock", "#")
    async with sit(engine, declares=things) as desk:
        await publish(desk, *(event(n, key=f"k{n % keys}") for n in range(count)))
        async with (
            await engine.actor("work", queue="events.stock") as one,
            await engine.actor("work", queue="events.stock") as other,
        ):
            told = await events_until(count, one, other)
        accepted = defaultdict(list)
        for words in told:
            if words[-1] == "Accept":
                accepted[words[1]].append(int(words[2]))
        assert accepted == {f"k{lane}": list(range(lane, count, keys)) for lane in range(keys)}


@check("exchanges", "processes", "atomic", "holders seen")
async def what_a_killed_producer_published_is_with_every_group_or_none(engine: Engine) -> None:
    async with sit(engine, declares=[*group("stock", "#"), *group("audit", "#")]) as desk:
        async with await engine.actor("publish", exchange=EVENTS) as actor:
            told = await actor.lines(50)
            told += await actor.kill()
        found = [await all_of(desk, name) for name in ("stock", "audit")]
        assert found[0] == found[1]
        assert found[0][: len(told)] == list(map(int, told))
        assert len(found[0]) <= len(told) + 1


@check("exchanges", "shared")
async def many_publish_at_once_and_each_group_has_all(engine: Engine) -> None:
    things = [*group("stock", "#"), *group("audit", "order.*")]
    async with sit(engine, declares=things) as one, sit(engine) as other:
        await at_once(*(publish((one, other)[n % 2], event(n)) for n in range(60)))
        assert [sorted(await all_of(one, name)) for name in ("stock", "audit")] == [list(range(60))] * 2


@check("exchanges")
async def a_broadcast_subscription_hears_while_it_is_there(engine: Engine) -> None:
    things = [*group("caches.1", "#", temporary=True), *group("caches.2", "#", temporary=True)]
    async with sit(engine, declares=group("stock", "#")) as desk:
        async with (
            beside(desk.driver, "events.caches.1", declares=things) as one,
            beside(desk.driver, "events.caches.2", declares=things) as other,
        ):
            assert await publish(desk, event(1)) == [3]
            assert [bodies(await each.take(1)) for each in (one, other)] == [[1], [1]]
        assert await publish(desk, event(2)) == [1]
        assert await all_of(desk, "stock") == [1, 2]


@check("exchanges", "unrouted", "documents")
async def an_event_without_a_group_is_in_the_log_with_its_attributes(engine: Engine) -> None:
    async with sit(engine, declares=group("mail", "user.*")) as desk:
        (sent,) = [event(1)]
        assert await publish(desk, sent) == [0]
        document = (await desk.documents("unrouted", sent.id))[sent.id]
        assert "order.created" in document.value and EVENTS in document.value
        assert await publish(desk, *numbered(2), type="user.left") == [1, 1]

"""Queues: what each turn may take of them, what is in them, and how they are emptied and removed."""

from __future__ import annotations

import time

import msgspec

from postroad.core.message import Refused
from postroad.core.outcome import Reject, Release
from postroad.core.topology import Binding, Exchange, Queue, Thing
from postroad.errors import NotFound, UsageError
from postroad.ports.driver import DeadLetterFilter, Located
from postroad.testing.conformance.check import promise
from postroad.testing.conformance.desk import Desk, beside, bodies, message, numbered, settlement, sit
from postroad.testing.conformance.engine import FOLLOWERS, QUEUE, Engine

check = promise("queues")


def seen(found: list[Located]) -> list[int]:
    return [int(each.message.body) for each in found]


async def peek(desk: Desk, queue: str = "", limit: int = 100) -> list[Located]:
    return list(await desk.looking.peek(queue or desk.queue, limit))


@check()
async def a_message_comes_from_the_queue_it_was_put_into(engine: Engine) -> None:
    async with sit(engine, "a", "b") as desk, beside(desk.driver, "c") as other:
        for number, queue in enumerate(("a", "b", "c", "a")):
            await desk.send(message(b"%d" % number), queue=queue)
        taken = {each.message.body: each.source for each in await desk.take(3)}
        assert taken == {b"0": "a", b"1": "b", b"3": "a"}
        assert [(each.message.body, each.source) for each in await other.take(1)] == [(b"2", "c")]


@check()
async def one_message_goes_to_one_consumer(engine: Engine) -> None:
    async with sit(engine) as one, beside(one.driver) as other:
        await one.send(*numbered(40))
        taken = [each for _ in range(10) for desk in (one, other) for each in await desk.take(2)]
        assert sorted(bodies(taken)) == list(range(40))


# Limits of a turn


@check()
async def a_turn_takes_no_more_of_a_queue_than_it_is_told(engine: Engine) -> None:
    async with sit(engine, "a", "b") as desk:
        for queue in ("a", "b"):
            await desk.send(*numbered(10), queue=queue)
        for most, expected in (({"a": 2}, {"a": 2, "b": 10}), ({"b": 0}, {"a": 8})):
            turn = await desk.consumer.turn((), 100, 0, limits=most)
            taken = [each.source for each in turn.deliveries]
            assert {queue: taken.count(queue) for queue in set(taken)} == expected


@check()
async def a_limit_of_a_queue_is_no_licence_for_more_than_the_limit(engine: Engine) -> None:
    async with sit(engine, "a", "b") as desk:
        for queue in ("a", "b"):
            await desk.send(*numbered(10), queue=queue)
        turn = await desk.consumer.turn((), 5, 0, limits={"a": 50, "b": 50, "of nobody": 1})
        assert len(turn.deliveries) == 5


@check()
async def a_queue_that_may_not_be_taken_from_does_not_wake_a_turn(engine: Engine) -> None:
    """It waits its time although something is there, and it does not spin."""
    async with sit(engine, "a", "b") as desk:
        await desk.send(*numbered(3), queue="a")
        before = time.monotonic()
        turn = await desk.consumer.turn((), 10, 0.2, limits={"a": 0})
        assert not turn.deliveries
        assert time.monotonic() - before >= 0.19
        await desk.send(message(b"9"), queue="b")
        turn = await desk.consumer.turn((), 10, 5, limits={"a": 0})
        assert [(each.source, each.message.body) for each in turn.deliveries] == [("b", b"9")]
        assert bodies(await desk.take(3)) == [0, 1, 2]


@check()
async def a_turn_that_settles_may_be_limited_too(engine: Engine) -> None:
    async with sit(engine, "a", "b") as desk:
        await desk.send(*numbered(4), queue="a")
        (held,) = (await desk.consumer.turn((), 1, 0, limits={"a": 1})).deliveries
        turn = await desk.consumer.turn([settlement(held)], 10, 0, limits={"a": 1})
        assert not turn.failures
        assert bodies(turn.deliveries) == [1]


# Peeking


@check("looking")
async def peeking_shows_the_order_of_delivery(engine: Engine) -> None:
    async with sit(engine) as desk:
        late = time.time() + 60
        await desk.send(message(b"0"), message(b"1", priority=9), message(b"2", due_at=late), message(b"3", priority=0))
        await desk.send(message(b"4"), message(b"5", due_at=late - 30, priority=9), message(b"6", priority=9))
        found = await peek(desk)
        assert seen(found) == [1, 6, 0, 4, 3, 5, 2]
        assert [each.place for each in found] == ["ready"] * 5 + ["delayed"] * 2
        assert seen(await peek(desk, limit=3)) == [1, 6, 0]
        assert bodies(await desk.take(5)) == [1, 6, 0, 4, 3]


@check("looking", "lanes")
async def peeking_shows_those_that_wait_in_lanes(engine: Engine) -> None:
    async with sit(engine) as desk:
        await desk.send(*numbered(3, key="a"), message(b"3"))
        found = await peek(desk)
        assert sorted(seen(found)) == [0, 1, 2, 3]
        assert [number for number in seen(found) if number < 3] == [0, 1, 2]


@check("looking", "release")
async def peeking_shows_what_waits_and_not_what_is_held(engine: Engine) -> None:
    async with sit(engine) as desk:
        await desk.send(*numbered(4))
        held = await desk.take(2)
        assert seen(await peek(desk)) == [2, 3]
        await desk.end(held[0], outcome=Release(0, counted=True))
        assert {int(each.message.body): each.attempt for each in await peek(desk)} == {0: 2, 2: 1, 3: 1}


@check("looking")
async def peeking_changes_nothing(engine: Engine) -> None:
    async with sit(engine) as desk:
        sent = numbered(5, headers={"a": "b"})
        await desk.send(*sent)
        before = msgspec.structs.replace(await desk.depth(), oldest_age_s=None)
        assert [[each.message for each in await peek(desk)] for _ in range(3)] == [sent] * 3
        assert msgspec.structs.replace(await desk.depth(), oldest_age_s=None) == before
        taken = await desk.take(5)
        assert [each.message for each in taken] == sent
        assert {(each.attempt, each.crashes, each.suspect) for each in taken} == {(1, 0, False)}


@check("looking")
async def peeking_looks_into_one_queue_that_is_there(engine: Engine) -> None:
    async with sit(engine) as desk:
        await desk.send(message(b"1"), queue=FOLLOWERS)
        assert await peek(desk) == []
        assert seen(await peek(desk, FOLLOWERS)) == [1]
        try:
            await peek(desk, "wrok")
        except NotFound as error:
            assert "wrok" in str(error)
        else:
            raise AssertionError("a queue that is not there was looked into")


# Counting


@check("looking", "documents")
async def a_queue_tells_who_takes_from_it_and_what_was_put_into_it(engine: Engine) -> None:
    declares = [Queue("media", carries="messages"), Queue("idle")]
    async with sit(engine, "media", declares=declares) as desk:
        await desk.send(*numbered(3))
        await desk.end(await desk.take_one())
        depth = await desk.depth()
        assert (depth.carries, depth.max_length, depth.consumers, depth.published) == ("messages", None, 1, 3)
        idle = await desk.depth("idle")
        assert (idle.carries, idle.consumers, idle.published) == ("", 0, 0)


@check("looking", "reject")
async def a_queue_tells_its_bound(engine: Engine) -> None:
    async with sit(engine, declares=[Queue("few", max_length=7, overflow="reject")]) as desk:
        assert (await desk.depth("few")).max_length == 7


@check("looking", "exchanges")
async def copies_are_counted_where_they_went(engine: Engine) -> None:
    things: list[Thing] = [Queue("a"), Queue("b"), Exchange("x", "fanout"), Binding("x", "a"), Binding("x", "b")]
    async with sit(engine, declares=things) as desk:
        await desk.publish("x", *numbered(2))
        await desk.send(message(), queue="a")
        assert [(await desk.depth(name)).published for name in ("a", "b", QUEUE)] == [3, 2, 0]


# Emptying and removing


@check("operating", "looking")
async def purging_deletes_what_waits_oldest_first(engine: Engine) -> None:
    async with sit(engine) as desk:
        await desk.send(
            message(b"0", priority=0), message(b"1", priority=9), message(b"2", due_at=time.time() + 60), message(b"3")
        )
        await desk.send(message(b"9"), queue=FOLLOWERS)
        assert await desk.operating.purge(desk.queue, 2) == 2
        assert sorted(seen(await peek(desk))) == [2, 3]
        assert await desk.operating.purge(desk.queue) == 2
        assert await desk.operating.purge(desk.queue) == 0
        assert (await desk.depth(FOLLOWERS)).ready == 1
        await desk.empty()


@check("operating", "looking", "release")
async def purging_leaves_what_is_held(engine: Engine) -> None:
    async with sit(engine) as desk:
        await desk.send(*numbered(3))
        held = await desk.take(1)
        assert await desk.operating.purge(desk.queue) == 2
        assert (await desk.depth()).in_flight == 1
        await desk.end(*held, outcome=Release())
        assert bodies(await desk.take(1)) == [0]


@check("operating", "lanes")
async def a_purged_lane_takes_messages_again(engine: Engine) -> None:
    async with sit(engine) as desk:
        await desk.send(*numbered(3, key="a"))
        assert await desk.operating.purge(desk.queue) == 3
        await desk.send(message(b"7", key="a"), message(b"8", key="a"))
        held = await desk.take_one()
        assert bodies([held]) == [7]
        assert await desk.operating.purge(desk.queue) == 1
        await desk.send(message(b"9", key="a"))
        await desk.nothing(0)
        await desk.end(held)
        assert bodies(await desk.take(1)) == [9]


@check("operating")
async def a_queue_that_is_not_there_is_neither_purged_nor_removed(engine: Engine) -> None:
    async with sit(engine) as desk:
        for act in (desk.operating.purge, desk.operating.delete_queue):
            try:
                await act("wrok")
            except NotFound as error:
                assert "wrok" in str(error)
            else:
                raise AssertionError(f"{act.__name__} of a queue that is not there")


@check("operating", "looking", "dead letters")
async def a_removed_queue_takes_all_of_its_own_with_it(engine: Engine) -> None:
    async with sit(engine, declares=[Queue("old"), Exchange("x", "fanout"), Binding("x", "old")]) as desk:
        async with beside(desk.driver, "old") as taker:
            await desk.send(*numbered(2), message(due_at=time.time() + 60), *numbered(2, key="a"), queue="old")
            await taker.end(await taker.take_one(), outcome=Reject("no"))
        await desk.send(message(b"9"))
        assert await desk.operating.delete_queue("old") == 4
        assert await desk.looking.count_dead(DeadLetterFilter()) == 0
        there = await desk.driver.topology()
        assert "old" not in {queue.name for queue in there.queues}
        assert there.bindings == ()
        (answer,) = await desk.send(message(), queue="old")
        assert isinstance(answer, Refused)
        assert bodies(await desk.take(1)) == [9]


@check("operating", "looking", "dead letters")
async def a_queue_of_the_same_name_starts_anew(engine: Engine) -> None:
    async with sit(engine) as desk:
        for _ in range(2):
            async with beside(desk.driver, "old") as taker:
                assert (await taker.depth()).published == 0
                await taker.nothing(0)
                sent = message(b"1", id="once", dedupe=True)
                assert getattr((await taker.send(sent))[0], "duplicate_of", "refused") is None
                await taker.end(await taker.take_one(), outcome=Reject("no"))
            await desk.operating.delete_queue("old")


@check("operating")
async def a_queue_is_not_removed_under_somebodys_hands(engine: Engine) -> None:
    async with sit(engine) as desk:
        await desk.send(message(b"1"))
        try:
            await desk.operating.delete_queue(desk.queue)
        except UsageError as error:
            assert desk.queue in str(error)
        else:
            raise AssertionError("a queue was removed while a consumer takes from it")
        assert bodies(await desk.take(1)) == [1]


@check("operating", "processes", "holders seen")
async def a_queue_is_not_removed_under_another_processs_hands(engine: Engine) -> None:
    async with sit(engine, declares=[Queue("old")]) as desk:
        async with await engine.actor("take part", queue="old") as actor:
            assert await actor.line() == "taking part"
            try:
                await desk.operating.delete_queue("old")
            except UsageError as error:
                assert "old" in str(error)
            else:
                raise AssertionError("a queue was removed while another process takes from it")
            await actor.kill()
        await desk.supervising.sweep()
        assert await desk.operating.delete_queue("old") == 0

"""Sent once: what was sent before is recognised by its own id (inbox) or by its unique key."""

from __future__ import annotations

import time

import msgspec

from postroad.core.message import Message, Receipt, Unique
from postroad.core.outcome import Reject, Release
from postroad.testing.conformance.check import promise
from postroad.testing.conformance.desk import Desk, at_once, bodies, message, sit
from postroad.testing.conformance.engine import FOLLOWERS, Engine

check = promise("once")


async def original(desk: Desk, sent: Message, queue: str | None = None) -> str | None:
    """The id this send was recognised as; None when it was taken."""
    answer = (await desk.send(sent, queue=queue))[0]
    assert isinstance(answer, Receipt)
    assert answer.id == sent.id
    return answer.duplicate_of


def unique(key: str = "k", body: bytes = b"0", ttl_s: float | None = None) -> Message:
    return message(body, unique=Unique(key, ttl_s), track=True)


@check()
async def an_id_of_the_senders_choice_is_taken_once(engine: Engine) -> None:
    sent = message(b"1", id="order-17", dedupe=True)
    async with sit(engine) as desk:
        assert await original(desk, sent) is None
        assert await original(desk, sent) == "order-17"
        delivery = await desk.take_one()
        assert await original(desk, sent) == "order-17"
        await desk.end(delivery)
        assert await original(desk, sent) == "order-17"
        await desk.nothing(0)


@check("dead letters")
async def an_id_is_recognised_after_its_death(engine: Engine) -> None:
    sent = message(b"1", dedupe=True)
    async with sit(engine) as desk:
        await desk.send(sent)
        await desk.end(await desk.take_one(), outcome=Reject("no"))
        assert await original(desk, sent) == sent.id


@check()
async def an_id_is_taken_once_within_one_batch(engine: Engine) -> None:
    sent, other = message(b"1", dedupe=True), message(b"2", dedupe=True)
    async with sit(engine) as desk:
        answers = await desk.send(sent, other, sent)
        assert [getattr(answer, "duplicate_of", "?") for answer in answers] == [None, None, sent.id]
        assert bodies(await desk.take(2)) == [1, 2]
        await desk.nothing(0)


@check("kept")
async def an_id_is_recognised_after_reopening(engine: Engine) -> None:
    sent = message(b"1", dedupe=True)
    async with sit(engine) as desk:
        await desk.send(sent)
        await desk.end(await desk.take_one())
    async with sit(engine) as desk:
        assert await original(desk, sent) == sent.id


@check()
async def an_id_is_one_queues_own(engine: Engine) -> None:
    sent = message(b"1", dedupe=True)
    async with sit(engine) as desk:
        assert await original(desk, sent) is None
        assert await original(desk, sent, FOLLOWERS) is None


@check()
async def who_does_not_ask_is_not_recognised(engine: Engine) -> None:
    sent = message(b"1")
    async with sit(engine) as desk:
        assert [await original(desk, sent), await original(desk, sent)] == [None, None]
        assert bodies(await desk.take(2)) == [1, 1]


@check("shared")
async def of_many_that_send_one_id_at_once_one_is_taken(engine: Engine) -> None:
    sent = message(b"1", dedupe=True)
    async with sit(engine) as one, sit(engine) as other:
        answers = await at_once(*(original(desk, sent) for desk in (one, other) * 20))
        assert answers.count(None) == 1
        assert bodies(await one.take(1)) == [1]
        await other.nothing(0)


@check()
async def a_unique_key_has_one_live_message(engine: Engine) -> None:
    first, second, third = (unique(body=b"%d" % n) for n in range(3))
    async with sit(engine) as desk:
        assert await original(desk, first) is None
        assert await original(desk, second) == first.id
        assert await original(desk, unique("other")) is None
        delivery = await desk.take_one()
        assert await original(desk, second) == first.id
        await desk.end(delivery)
        assert await original(desk, third) is None
        assert [each.message.id for each in await desk.take(2)][1] == third.id


@check()
async def a_unique_key_is_taken_once_within_one_batch(engine: Engine) -> None:
    sent = [unique(), unique(), unique("other")]
    async with sit(engine) as desk:
        answers = await desk.send(*sent)
        assert [getattr(answer, "duplicate_of", "?") for answer in answers] == [None, sent[0].id, None]
        await desk.take(2)
        await desk.nothing(0)


@check("release")
async def a_unique_key_stays_taken_through_retries(engine: Engine) -> None:
    first = unique()
    async with sit(engine) as desk:
        await desk.send(first)
        await desk.end(await desk.take_one(), outcome=Release(60, counted=True))
        assert await original(desk, unique()) == first.id


@check("dead letters", "operating")
async def a_unique_key_is_free_after_death_cancel_and_purge(engine: Engine) -> None:
    async with sit(engine) as desk:
        await desk.send(unique())
        await desk.end(await desk.take_one(), outcome=Reject("no"))
        second = unique()
        assert await original(desk, second) is None
        await desk.operating.cancel([second.id], "why")
        assert await original(desk, unique()) is None
        await desk.operating.purge(desk.queue)
        assert await original(desk, unique()) is None


@check()
async def a_unique_key_with_a_time_is_free_when_it_has_passed(engine: Engine) -> None:
    first, second = unique(ttl_s=0.3), unique(ttl_s=0.3)
    async with sit(engine) as desk:
        await desk.send(first)
        await desk.end(await desk.take_one())
        assert await original(desk, second) == first.id
        until = time.time() + 0.3
        while time.time() < until:
            await desk.nothing(until - time.time())
        assert await original(desk, second) is None


@check("kept")
async def a_unique_key_survives_reopening(engine: Engine) -> None:
    first = unique()
    async with sit(engine) as desk:
        await desk.send(first)
    async with sit(engine) as desk:
        assert await original(desk, unique()) == first.id


@check("shared")
async def of_many_that_want_one_key_at_once_one_gets_it(engine: Engine) -> None:
    sent = [unique(body=b"%d" % n) for n in range(40)]
    async with sit(engine) as one, sit(engine) as other:
        answers = await at_once(*(original((one, other)[n % 2], each) for n, each in enumerate(sent)))
        assert answers.count(None) == 1
        assert {answer for answer in answers if answer} == {sent[answers.index(None)].id}


@check("processes", "holders seen")
async def a_unique_key_stays_taken_when_its_holder_dies(engine: Engine) -> None:
    first = unique()
    async with sit(engine) as desk:
        await desk.send(first)
        async with await engine.actor("hold", limit=1) as actor:
            await actor.line()
            await actor.kill()
        await desk.supervising.sweep()
        assert await original(desk, unique()) == first.id
        await desk.end(await desk.take_one())
        assert await original(desk, unique()) is None


@check()
async def a_repeat_takes_no_key_from_those_after_it(engine: Engine) -> None:
    """A message that is not taken, for its id was sent before, does not own its key either."""
    async with sit(engine) as desk:
        sent = message(b"1", dedupe=True)
        await desk.send(sent)
        await desk.end(await desk.take_one())
        again = msgspec.structs.replace(sent, unique=Unique("k"))
        answers = await desk.send(again, unique("k", b"2"))
        assert [getattr(answer, "duplicate_of", "?") for answer in answers] == [sent.id, None]
        assert bodies(await desk.take(1)) == [2]

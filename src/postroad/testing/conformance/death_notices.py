"""7. Who asked for it is told of each dead letter, by a message that leaves in the transaction of the death."""

from __future__ import annotations

import msgspec

from postroad.core.message import Message
from postroad.core.outcome import Reject
from postroad.core.routing import DEAD_LETTERS
from postroad.core.topology import Binding, Exchange, Queue, Thing
from postroad.ports.driver import DeadLetterFilter, DeadLetterRecord, Redriven
from postroad.testing.conformance.check import promise
from postroad.testing.conformance.dead_letters import ALL, failure, kill, letters
from postroad.testing.conformance.desk import beside, message, numbered, send, settlement, sit
from postroad.testing.conformance.engine import FOLLOWERS, QUEUE, Engine

check = promise("7 death notices")

NEEDS = ("dead letters", "exchanges", "atomic")
TOLD = "dead-letters.escalate"


def handler(name: str = TOLD, *sources: str) -> list[Thing]:
    """A queue that is told of letters from these sources; of all when none is named."""
    bound = [Binding(DEAD_LETTERS, name, source) for source in sources or ("#",)]
    return [Exchange(DEAD_LETTERS, "topic"), Queue(name), *bound]


def record(notice: Message) -> DeadLetterRecord:
    return msgspec.json.decode(notice.body, type=DeadLetterRecord)


@check(*NEEDS)
async def a_notice_is_the_whole_record(engine: Engine) -> None:
    sent = message(b"\xff\0", headers={"a": "\u20ac"}, key="k", priority=7)
    async with sit(engine, declares=handler()) as desk, beside(desk.driver, TOLD, declares=handler()) as told:
        await kill(desk, sent)
        notice = await told.take_one()
        assert [record(notice.message)] == await letters(desk)
        assert record(notice.message).message == sent
        await told.nothing(0)


@check(*NEEDS)
async def only_who_asked_for_the_source_is_told(engine: Engine) -> None:
    things = [*handler(TOLD, FOLLOWERS), *handler("dead-letters.all")]
    async with sit(engine, declares=things) as desk, beside(desk.driver, FOLLOWERS) as other:
        await kill(desk, *numbered(2))
        await kill(other, message(b"7"))
        told = []
        for name in (TOLD, "dead-letters.all"):
            async with beside(desk.driver, name, declares=things) as taker:
                notices = (await taker.consumer.turn((), 10, 0)).deliveries
                told.append([record(each.message).source for each in notices])
        assert told == [[FOLLOWERS], [QUEUE, QUEUE, FOLLOWERS]]


@check(*NEEDS)
async def nobody_asked_and_nobody_is_told(engine: Engine) -> None:
    async with sit(engine) as desk:
        await kill(desk, message(b"1"))
        assert len(await letters(desk)) == 1
        assert (await desk.looking.counters())["unrouted"] == 0
    async with sit(engine, declares=[Exchange(DEAD_LETTERS, "topic")]) as desk:
        await kill(desk, message(b"2"))
        assert (await desk.looking.counters())["unrouted"] == 0


@check(*NEEDS)
async def no_death_no_notice(engine: Engine) -> None:
    """A settlement that is refused or lost tells nobody; one that is done later tells once."""
    async with sit(engine, declares=handler()) as desk, beside(desk.driver, TOLD, declares=handler()) as told:
        await desk.send(message(b"1"))
        delivery = await desk.take_one()
        refused = settlement(delivery, Reject("no", failure()), [send(message(), "nowhere")])
        assert [each.kind for each in await desk.settle(refused)] == ["refused"]
        await told.nothing(0)
        await desk.end(delivery, outcome=Reject("no", failure()))
        assert [each.kind for each in await desk.settle(settlement(delivery, Reject("again")))] == ["lost"]
        assert record((await told.take_one()).message).reason == "no"
        await told.nothing(0)


@check(*NEEDS)
async def a_notice_that_dies_is_a_letter_and_no_notice(engine: Engine) -> None:
    async with sit(engine, declares=handler()) as desk, beside(desk.driver, TOLD, declares=handler()) as told:
        await kill(desk, message(b"1"))
        await told.end(await told.take_one(), outcome=Reject("the handler fails", failure()))
        await told.nothing(0)
        found = await letters(desk)
        assert [letter.source for letter in found] == [QUEUE, TOLD]
        assert record(found[1].message) == found[0]


@check(*NEEDS, "operating")
async def a_second_death_is_told_again(engine: Engine) -> None:
    async with sit(engine, declares=handler()) as desk, beside(desk.driver, TOLD, declares=handler()) as told:
        await kill(desk, message(b"1"))
        await told.end(await told.take_one())
        assert await desk.operating.redrive(DeadLetterFilter(source=desk.queue), 10) == Redriven(1)
        await desk.end(await desk.take_one(), outcome=Reject("again", failure()))
        assert record((await told.take_one()).message).deaths == 2


@check(*NEEDS, "drop_oldest")
async def whoever_made_room_is_told_of_too(engine: Engine) -> None:
    few = Queue("few", max_length=1, overflow="drop_oldest")
    things = [few, *handler()]
    async with sit(engine, "few", declares=things) as desk, beside(desk.driver, TOLD, declares=things) as told:
        await desk.send(*numbered(3))
        notices = [record(each.message) for each in await told.take(2)]
        assert [int(each.message.body) for each in notices] == [0, 1]
        assert notices == await letters(desk, ALL)


@check(*NEEDS, "reject")
async def a_full_queue_of_notices_does_not_keep_anybody_from_dying(engine: Engine) -> None:
    things: list[Thing] = [
        Queue(TOLD, max_length=1, overflow="reject"),
        Exchange(DEAD_LETTERS, "topic"),
        Binding(DEAD_LETTERS, TOLD, "#"),
    ]
    async with sit(engine, declares=things) as desk:
        await kill(desk, *numbered(3))
        assert len(await letters(desk)) == 3
        assert (await desk.depth(TOLD)).ready >= 1
        await desk.nothing(0)

"""15. Backpressure: a bounded queue blocks, rejects, or buries its oldest, and never holds more than it may."""

from __future__ import annotations

import time
from collections.abc import Sequence

from postroad.core.message import Message, Receipt, Refused, Unique
from postroad.core.outcome import Reject, Release
from postroad.core.topology import Binding, Exchange, Queue, Thing
from postroad.core.writes import Put
from postroad.ports.driver import DeadLetterFilter
from postroad.testing.conformance.check import promise
from postroad.testing.conformance.desk import Desk, at_once, bodies, message, numbered, send, settlement, sit, through
from postroad.testing.conformance.engine import FOLLOWERS, Engine

check = promise("15 backpressure")

ROOM = 3
BOUNDED = "bounded"


def bounded(overflow: str, room: int = ROOM, name: str = BOUNDED) -> Queue:
    return Queue(name, max_length=room, overflow=overflow)


def taken(answers: Sequence[Receipt | Refused]) -> list[bool]:
    return [isinstance(answer, Receipt) for answer in answers]


async def waiting(desk: Desk, queue: str = BOUNDED) -> int:
    depth = await desk.depth(queue)
    return depth.ready + depth.delayed


async def buried(desk: Desk) -> list[int]:
    """Numbers of those that made room, oldest first; each says so."""
    letters = (await desk.looking.dead_letters(DeadLetterFilter(source=BOUNDED), 1000))[::-1]
    for letter in letters:
        assert letter.reason.startswith("overflow"), letter.reason
        assert letter.error_type == "Overflow"
    return [int(letter.message.body) for letter in letters]


async def check_refusal(engine: Engine, overflow: str, kind: str) -> None:
    async with sit(engine, BOUNDED, declares=[bounded(overflow)]) as desk:
        answers = await desk.send(*numbered(5))
        assert taken(answers) == [True] * 3 + [False] * 2
        for answer in answers[3:]:
            assert isinstance(answer, Refused)
            assert answer.kind == kind
            assert BOUNDED in answer.reason and str(ROOM) in answer.reason
        assert await waiting(desk) == ROOM
        held = await desk.take(3)
        assert bodies(held) == [0, 1, 2]
        await desk.nothing(0)


@check("reject")
async def a_queue_that_rejects_takes_so_many_and_no_more(engine: Engine) -> None:
    await check_refusal(engine, "reject", "full")


@check("block")
async def a_queue_that_blocks_says_so_to_the_producer(engine: Engine) -> None:
    await check_refusal(engine, "block", "blocked")


@check("drop_oldest", "dead letters")
async def a_queue_that_drops_its_oldest_buries_them_in_order(engine: Engine) -> None:
    async with sit(engine, BOUNDED, declares=[bounded("drop_oldest")]) as desk:
        assert all(taken(await desk.send(*numbered(5))))
        assert await buried(desk) == [0, 1]
        assert all(taken([answer for n in (5, 6) for answer in await desk.send(message(b"%d" % n))]))
        assert await waiting(desk) == ROOM
        assert await buried(desk) == [0, 1, 2, 3]
        assert bodies(await desk.take(3)) == [4, 5, 6]


@check("drop_oldest", "dead letters")
async def what_made_room_is_whole_and_can_come_back(engine: Engine) -> None:
    async with sit(engine, BOUNDED, declares=[bounded("drop_oldest", 1)]) as desk:
        sent = message(b"\xff\0", headers={"a": "\u20ac"}, priority=7, track=True)
        await desk.send(sent, message(b"1"))
        (letter,) = await desk.looking.dead_letters(DeadLetterFilter(), 10)
        assert letter.message == sent
        assert (letter.source, letter.attempt, letter.crashes) == (BOUNDED, 1, 0)
        assert await waiting(desk) == 1


@check("reject")
async def what_is_held_does_not_count(engine: Engine) -> None:
    async with sit(engine, BOUNDED, declares=[bounded("reject")]) as desk:
        await desk.send(*numbered(3))
        held = await desk.take(2)
        assert taken(await desk.send(*numbered(3))) == [True, True, False]
        await desk.end(*held)
        assert taken(await desk.send(message())) == [False]
        await desk.take(3)
        assert taken(await desk.send(*numbered(4))) == [True, True, True, False]


@check("reject", "delay", "lanes")
async def what_is_delayed_and_what_follows_in_its_lane_counts(engine: Engine) -> None:
    async with sit(engine, BOUNDED, declares=[bounded("reject")]) as desk:
        late = time.time() + 60
        assert taken(await desk.send(message(due_at=late), *numbered(2, key="k"), message(), message(due_at=late))) == [
            True, True, True, False, False,
        ]  # fmt: skip
        assert await waiting(desk) == ROOM


@check("reject", "release", "delay")
async def what_comes_back_is_never_refused(engine: Engine) -> None:
    """A retry was taken long ago: it has its place, whoever came meanwhile."""
    async with sit(engine, BOUNDED, declares=[bounded("reject", 1)]) as desk:
        await desk.send(message(b"0"))
        held = await desk.take_one()
        assert taken(await desk.send(message(b"1"))) == [True]
        await desk.end(held, outcome=Release(0, counted=True))
        assert taken(await desk.send(message(b"2"))) == [False]
        assert sorted(bodies(await desk.take(2))) == [0, 1]


@check("reject")
async def room_is_made_by_each_end_and_used_by_the_next(engine: Engine) -> None:
    async with sit(engine, BOUNDED, declares=[bounded("reject", 1)]) as desk:
        for number in range(5):
            assert taken(await desk.send(message(b"%d" % number), message())) == [True, False]
            delivery = await desk.take_one()
            assert bodies([delivery]) == [number]
            await desk.end(delivery)


@check("reject", "operating")
async def purging_makes_room(engine: Engine) -> None:
    async with sit(engine, BOUNDED, declares=[bounded("reject")]) as desk:
        await desk.send(*numbered(3))
        assert await desk.operating.purge(BOUNDED, 2) == 2
        assert taken(await desk.send(*numbered(3))) == [True, True, False]


@check("reject", "kept")
async def the_bound_is_kept_after_reopening(engine: Engine) -> None:
    async with sit(engine, BOUNDED, declares=[bounded("reject")]) as desk:
        await desk.send(*numbered(2))
    async with sit(engine, BOUNDED, declares=[bounded("reject")]) as desk:
        assert taken(await desk.send(*numbered(2))) == [True, False]


@check("reject", "shared")
async def of_many_that_send_at_once_exactly_so_many_are_taken(engine: Engine) -> None:
    things = [bounded("reject", 10)]
    async with sit(engine, BOUNDED, declares=things) as one, sit(engine, BOUNDED, declares=things) as other:
        answers = await at_once(*(desk.send(message(), message()) for desk in (one, other) * 20))
        assert sum(taken([answer for pair in answers for answer in pair])) == 10
        assert await waiting(one) == 10


@check("drop_oldest", "shared", "dead letters")
async def of_many_that_send_at_once_the_newest_stay_and_the_rest_is_buried(engine: Engine) -> None:
    things = [bounded("drop_oldest", 10)]
    async with sit(engine, BOUNDED, declares=things) as one, sit(engine, BOUNDED, declares=things) as other:
        sent = numbered(80)
        await at_once(*((one, other)[n % 2].send(*sent[n : n + 4]) for n in range(0, 80, 4)))
        left, dead = bodies(await one.take(10)), await buried(one)
        await other.nothing(0)
        assert sorted([*left, *dead]) == list(range(80))


@check("reject", "drop_oldest")
async def what_was_refused_may_be_sent_again_under_its_id(engine: Engine) -> None:
    """A refusal keeps nothing: neither the id in the inbox nor the unique key."""
    async with sit(engine, BOUNDED, declares=[bounded("reject", 1)]) as desk:
        chosen, unique = message(b"1", id="order-17", dedupe=True), message(b"2", unique=Unique("k"))
        await desk.send(message(b"0"))
        for each in (chosen, unique):
            assert taken(await desk.send(each)) == [False]
            await desk.end(await desk.take_one())
            (answer,) = await desk.send(each)
            assert isinstance(answer, Receipt)
            assert answer.duplicate_of is None
        assert bodies([await desk.take_one()]) == [2]


@check("drop_oldest", "dead letters", "lanes")
async def a_lane_goes_on_without_those_that_made_room(engine: Engine) -> None:
    async with sit(engine, BOUNDED, declares=[bounded("drop_oldest", 2)]) as desk:
        await desk.send(*numbered(2, key="a"))
        held = await desk.take_one()
        await desk.send(*[message(b"%d" % n, key="a") for n in (2, 3)])
        assert await buried(desk) == [1]
        await desk.nothing(0)
        await desk.end(held)
        for number in (2, 3):
            delivery = await desk.take_one()
            assert bodies([delivery]) == [number]
            await desk.nothing(0)
            await desk.end(delivery)


@check("drop_oldest", "dead letters", "lanes")
async def the_head_of_a_lane_may_make_room_too(engine: Engine) -> None:
    async with sit(engine, BOUNDED, declares=[bounded("drop_oldest", 2)]) as desk:
        await desk.send(*numbered(5, key="a"))
        assert await buried(desk) == [0, 1, 2]
        for number in (3, 4):
            delivery = await desk.take_one()
            assert bodies([delivery]) == [number]
            await desk.end(delivery)


@check("drop_oldest", "dead letters", "priority", "delay")
async def the_oldest_goes_whatever_its_priority_and_its_delay(engine: Engine) -> None:
    async with sit(engine, BOUNDED, declares=[bounded("drop_oldest", 2)]) as desk:
        await desk.send(message(b"0", due_at=time.time() + 60), message(b"1", priority=9), message(b"2", priority=0))
        assert await buried(desk) == [0]
        await desk.send(message(b"3"))
        assert await buried(desk) == [0, 1]


@check("drop_oldest", "dead letters")
async def who_made_room_gives_its_unique_key_free(engine: Engine) -> None:
    async with sit(engine, BOUNDED, declares=[bounded("drop_oldest", 1)]) as desk:
        await desk.send(message(b"0", unique=Unique("k")))
        await desk.send(message(b"1"))
        (answer,) = await desk.send(message(b"2", unique=Unique("k")))
        assert isinstance(answer, Receipt)
        assert answer.duplicate_of is None
        assert await buried(desk) == [0, 1]


@check("drop_oldest", "dead letters")
async def letters_add_up(engine: Engine) -> None:
    """What was sent is what was handled, what died, what made room and what waits."""
    async with sit(engine, BOUNDED, declares=[bounded("drop_oldest", 7)]) as desk:
        sent, handled = 0, 0
        for size in (1, 9, 30, 2, 7, 11, 3):
            assert all(taken(await desk.send(*[message(b"%d" % n) for n in range(sent, sent + size)])))
            sent += size
            assert await waiting(desk) <= 7
            deliveries = (await desk.consumer.turn((), 3, 0)).deliveries
            await desk.end(*deliveries[1:])
            await desk.end(*deliveries[:1], outcome=Reject("overflow: not really"))
            handled += len(deliveries[1:])
        depth = await desk.depth()
        assert sent == handled + depth.dead + depth.ready
        assert depth.ready <= 7


# Through exchanges and handlers


def widely(overflow: str) -> list[Queue | Exchange | Binding]:
    """A fan-out to a bounded queue between two that are not."""
    queues = [Queue("a"), bounded(overflow), Queue("z")]
    return [*queues, Exchange("x", "fanout"), *(Binding("x", queue.name) for queue in queues)]


@check("reject", "exchanges")
async def a_fan_out_of_which_one_queue_is_full_is_refused_whole(engine: Engine) -> None:
    async with sit(engine, BOUNDED, declares=widely("reject")) as desk:
        answers = await desk.publish("x", *numbered(5))
        assert taken(answers) == [True] * 3 + [False] * 2
        assert {answer.kind for answer in answers if isinstance(answer, Refused)} == {"full"}
        assert [await waiting(desk, name) for name in ("a", BOUNDED, "z")] == [3, 3, 3]


@check("block", "exchanges")
async def a_fan_out_of_which_one_queue_blocks_is_blocked_whole(engine: Engine) -> None:
    async with sit(engine, BOUNDED, declares=widely("block")) as desk:
        answers = await desk.publish("x", *numbered(4))
        assert taken(answers) == [True] * 3 + [False]
        assert isinstance(answers[3], Refused)
        assert answers[3].kind == "blocked"
        assert [await waiting(desk, name) for name in ("a", BOUNDED, "z")] == [3, 3, 3]


@check("drop_oldest", "exchanges", "dead letters")
async def a_fan_out_makes_room_where_it_must(engine: Engine) -> None:
    async with sit(engine, BOUNDED, declares=widely("drop_oldest")) as desk:
        assert all(taken(await desk.publish("x", *numbered(5))))
        assert [await waiting(desk, name) for name in ("a", BOUNDED, "z")] == [5, 3, 5]
        assert await buried(desk) == [0, 1]


async def check_settlement(engine: Engine, overflow: str, kind: str) -> None:
    """The third of three sends finds no room: the settlement fails as a whole, and can be made again."""
    async with sit(engine, declares=[bounded(overflow, 2)]) as desk:
        await desk.send(message(b"0"))
        delivery = await desk.take_one()
        sends = [send(message(b"7"), FOLLOWERS), *(send(message(b"%d" % n), BOUNDED) for n in range(3))]
        (failure,) = await desk.settle(settlement(delivery, sends=sends, writes=[Put("x", "1", "{}")]))
        assert (failure.kind, failure.settlement.delivery) == (kind, delivery)
        assert BOUNDED in failure.reason
        assert [await waiting(desk, name) for name in (FOLLOWERS, BOUNDED)] == [0, 0]
        assert not await desk.documents("x", "1")
        assert (await desk.depth()).in_flight == 1
        assert not await desk.settle(settlement(delivery, sends=sends[:3]))
        assert [await waiting(desk, name) for name in (FOLLOWERS, BOUNDED)] == [1, 2]
        await desk.empty()


@check("reject", "atomic", "documents")
async def a_handlers_send_to_a_queue_that_rejects_fails_its_settlement(engine: Engine) -> None:
    await check_settlement(engine, "reject", "refused")


@check("block", "atomic", "documents")
async def a_handlers_send_to_a_queue_that_blocks_blocks_its_settlement(engine: Engine) -> None:
    await check_settlement(engine, "block", "blocked")


@check("reject", "atomic")
async def of_several_settlements_those_that_find_room_are_done(engine: Engine) -> None:
    async with sit(engine, declares=[bounded("reject", 3), Exchange("x", "fanout"), Binding("x", BOUNDED)]) as desk:
        await desk.send(*numbered(4))
        deliveries = await desk.take(4)
        sends: list[list[Message]] = [numbered(2), numbered(2), numbered(1), numbered(1)]
        settlements = [
            settlement(delivery, sends=[(send(each, BOUNDED), through("x", each))[n % 2] for each in sent])
            for n, (delivery, sent) in enumerate(zip(deliveries, sends, strict=True))
        ]
        failures = await desk.settle(*settlements)
        assert [failure.kind for failure in failures] == ["refused"] * 2
        assert await waiting(desk) == 3
        failed = {failure.settlement.delivery.receipt for failure in failures}
        assert deliveries[1].receipt in failed, "the second needs room for two when there is one"


@check("drop_oldest", "atomic", "dead letters")
async def a_handlers_send_makes_room_where_it_must(engine: Engine) -> None:
    async with sit(engine, declares=[bounded("drop_oldest", 2)]) as desk:
        await desk.send(message(b"0"))
        delivery = await desk.take_one()
        assert not await desk.settle(settlement(delivery, sends=[send(each, BOUNDED) for each in numbered(5)]))
        assert await buried(desk) == [0, 1, 2]
        assert await waiting(desk) == 2


@check("reject", "atomic")
async def a_handler_may_send_to_its_own_full_queue_what_it_makes_room_for(engine: Engine) -> None:
    """What is held does not count: the place of the one being handled is not taken."""
    async with sit(engine, BOUNDED, declares=[bounded("reject", 2)]) as desk:
        await desk.send(*numbered(2))
        delivery = await desk.take_one()
        assert not await desk.settle(settlement(delivery, sends=[send(message(b"9"), BOUNDED)]))
        assert await waiting(desk) == 2
        assert bodies(await desk.take(2)) == [1, 9]


@check("reject", "atomic", "release")
async def what_comes_back_in_the_same_turn_pushes_no_send_out(engine: Engine) -> None:
    """A send is refused with its settlement, or it is there: whatever else the turn brings back to the queue."""
    async with sit(engine, BOUNDED, declares=[bounded("reject", 2)]) as desk:
        await desk.send(*numbered(2))
        returning = await desk.take(2)
        await desk.send(message(b"2"))
        sending = await desk.take_one()
        settlements = [settlement(each, Release()) for each in returning]
        failures = await desk.settle(*settlements, settlement(sending, sends=[send(message(b"9"), BOUNDED)]))
        assert {failure.settlement.delivery.receipt for failure in failures} <= {sending.receipt}
        there = bodies(await desk.take(2 if failures else 3))
        assert sorted(there) == ([0, 1] if failures else [0, 1, 9])
        if failures:
            await desk.end(sending, outcome=Release())
            assert bodies(await desk.take(1)) == [2]


@check("reject", "atomic")
async def a_send_under_the_key_of_its_own_handler_is_refused_or_there(engine: Engine) -> None:
    """The key is free when the handler's message has left, so the send is no repeat: it needs room as any other."""
    async with sit(engine, declares=[bounded("reject", 1)]) as desk:
        await desk.send(message(b"0", unique=Unique("k")))
        delivery = await desk.take_one()
        sends = [send(message(b"1"), BOUNDED), send(message(b"2", unique=Unique("k")), BOUNDED)]
        failures = await desk.settle(settlement(delivery, sends=sends))
        waits = await waiting(desk)
        assert waits == (0 if failures else 2)


@check("reject", "block", "exchanges")
async def what_waiting_does_not_mend_is_told_first(engine: Engine) -> None:
    """Of two full queues one rejects and one blocks, in whichever order they were bound."""
    queues = [bounded("reject", 1, "rejects"), bounded("block", 1, "blocks")]
    for number, order in enumerate((queues, queues[::-1])):
        exchange = f"x{number}"
        things: list[Thing] = [*queues, Exchange(exchange, "fanout"), *(Binding(exchange, queue.name) for queue in order)]
        async with sit(engine, declares=things) as desk:
            await desk.send(message(), queue="rejects")
            await desk.send(message(), queue="blocks")
            (answer,) = await desk.publish(exchange, message())
            assert isinstance(answer, Refused)
            assert answer.kind == "full"

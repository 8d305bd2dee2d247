"""Most of a queue that one turn takes, both in the one-statement turn and the long way; what leaves with a settlement is bounded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

import pytest

from postroad.core.message import Message, Unique
from postroad.core.outcome import ACCEPT, Outcome, Release, Settlement
from postroad.core.topology import Queue
from postroad.testing.conformance.desk import Desk, message, numbered, send, sit
from postroad.testing.conformance.engine import EmbeddedEngine, Engine

QUEUES = ("one", "two", "three")


Play = Callable[[Coroutine[Any, Any, None]], None]


async def fill(desk: Desk, each: int = 10) -> None:
    for queue in QUEUES:
        await desk.send(*numbered(each), queue=queue)


async def took(desk: Desk, limit: int, limits: Mapping[str, int] | None, *settled: Settlement) -> Counter[str]:
    """How many came of each queue."""
    turn = await desk.consumer.turn(settled, limit, 0, limits=limits)
    assert not turn.failures
    return Counter(delivery.source for delivery in turn.deliveries)


CASES = [
    (100, None, {"one": 10, "two": 10, "three": 10}),
    (100, {}, {"one": 10, "two": 10, "three": 10}),
    (100, {"two": 3}, {"one": 10, "two": 3, "three": 10}),
    (100, {"one": 0, "two": 3, "three": 50}, {"two": 3, "three": 10}),
    (100, {"one": 0, "two": 0, "three": 0}, {}),
    (100, {"one": -5, "elsewhere": 7}, {"two": 10, "three": 10}),
    (4, {"one": 2, "two": 2, "three": 0}, {"one": 2, "two": 2}),
]


@pytest.mark.parametrize("long_way", [False, True])
@pytest.mark.parametrize(("limit", "limits", "expected"), CASES)
def test_a_turn_takes_what_its_queues_allow(
    engine: Engine, play: Play, limit: int, limits: Mapping[str, int] | None, expected: dict[str, int], long_way: bool
) -> None:
    """The long way is taken for the settlement of a keyed message."""

    async def scene() -> None:
        async with sit(engine, *QUEUES) as desk:
            settled = []
            if long_way:
                await desk.send(message(key="k"), queue="one")
                settled = [Settlement(await desk.take_one(), ACCEPT)]
            await fill(desk)
            assert await took(desk, limit, limits, *settled) == expected

    play(scene())


def test_a_turn_that_settles_is_limited_too(engine: Engine, play: Play) -> None:
    """One statement does both; a queue that is shut does not keep the settlement from being done."""

    async def scene() -> None:
        async with sit(engine, "one") as desk:
            await desk.send(*numbered(5), queue="one")
            first = await desk.take(2)
            assert not await took(desk, 10, {"one": 0}, *(Settlement(each, ACCEPT) for each in first))
            depth = await desk.depth("one")
            assert (depth.ready, depth.in_flight) == (3, 0)
            assert await took(desk, 10, {"one": 2}) == {"one": 2}

    play(scene())


def test_what_is_due_is_limited_too(engine: Engine, play: Play) -> None:
    async def scene() -> None:
        async with sit(engine, "one") as desk:
            await desk.send(*numbered(5, due_at=1.0), queue="one")
            assert await took(desk, 10, {"one": 2}) == {"one": 2}
            assert await took(desk, 10, {"one": 0}) == {}

    play(scene())


def test_a_shut_queue_shows_no_suspects_and_gives_none(tmp_path: Path, play: Play) -> None:
    """A worker is not to stop for a suspect that it may not take."""

    async def scene() -> None:
        engine = EmbeddedEngine(tmp_path)
        async with sit(engine, "one") as desk:
            await desk.send(message(b"1"), queue="one")
            async with await engine.actor("hold", limit=1, queue="one") as actor:
                await actor.line()
                await actor.kill()
            engine.lose_starts()
            assert await desk.supervising.sweep() == 1
            shut = await desk.consumer.turn((), 5, 0, limits={"one": 0})
            assert not shut.suspects_waiting
            assert not (await desk.consumer.turn((), 1, 0, alone=True, limits={"one": 0})).deliveries
            assert (await desk.consumer.turn((), 5, 0, limits={"one": 1})).suspects_waiting
            assert (await desk.consumer.turn((), 1, 0, alone=True, limits={"one": 1})).deliveries

    play(scene())


# Sends of a turn's settlements and bounded queues


def narrow(overflow: str, most: int) -> list[Queue]:
    return [Queue("narrow", max_length=most, overflow=overflow)]


async def settle_with(desk: Desk, *sends: list[Message], outcome: Outcome = ACCEPT) -> list[str]:
    """One settlement for each list, all in one turn; the kinds of failure, "" for those done."""
    await desk.send(*numbered(len(sends)))
    taken = await desk.take(len(sends))
    settlements = [
        Settlement(delivery, outcome, tuple(send(each, "narrow") for each in sent))
        for delivery, sent in zip(taken, sends, strict=True)
    ]
    failed = {failure.settlement.delivery.receipt: failure.kind for failure in await desk.settle(*settlements)}
    return [failed.get(delivery.receipt, "") for delivery in taken]


@pytest.mark.parametrize(("overflow", "kind"), [("reject", "refused"), ("block", "blocked")])
def test_settlements_of_one_turn_do_not_overfill_a_queue_together(
    engine: Engine, play: Play, overflow: str, kind: str
) -> None:
    async def scene() -> None:
        async with sit(engine, declares=narrow(overflow, 3)) as desk:
            kinds = await settle_with(desk, *[numbered(1) for _ in range(5)])
            assert kinds == ["", "", "", kind, kind]
            assert (await desk.depth("narrow")).ready == 3
            assert (await desk.depth()).in_flight == 2

    play(scene())


def test_a_settlement_that_fails_leaves_its_room_to_the_next(engine: Engine, play: Play) -> None:
    """The second wants 3 where 2 are free: none of it is sent, and the third finds the room."""

    async def scene() -> None:
        async with sit(engine, declares=narrow("reject", 4)) as desk:
            assert await settle_with(desk, numbered(2), numbered(3), numbered(2), numbered(1)) == [
                "", "refused", "", "refused",
            ]  # fmt: skip
            assert (await desk.depth("narrow")).ready == 4
            assert (await desk.depth()).in_flight == 2

    play(scene())


def test_what_waiting_does_not_mend_is_told_first(engine: Engine, play: Play) -> None:
    async def scene() -> None:
        async with sit(engine, declares=narrow("block", 1)) as desk:
            await desk.send(message(), queue="narrow")
            await desk.send(message())
            delivery = await desk.take_one()
            sends = (send(message(), "narrow"), send(message(), "nowhere"))
            (failure,) = await desk.settle(Settlement(delivery, ACCEPT, sends))
            assert failure.kind == "refused"
            assert "nowhere" in failure.reason

    play(scene())


def test_a_turn_that_fills_the_queue_itself_loses_no_send(engine: Engine, play: Play) -> None:
    """The released ones come back before the send is made: it is refused with its settlement, which stays held."""

    async def scene() -> None:
        async with sit(engine, "narrow", declares=narrow("reject", 2)) as desk:
            await desk.send(*numbered(2))
            back = await desk.take(2)
            await desk.send(message(b"2", unique=Unique("u")))
            sender = await desk.take_one()
            await desk.send(message(b"3"))
            sends = (send(message(b"9", unique=Unique("u")), "narrow"),)
            failures = await desk.settle(
                *(Settlement(each, Release()) for each in back), Settlement(sender, ACCEPT, sends)
            )
            assert [failure.kind for failure in failures] == ["refused"]
            depth = await desk.depth()
            assert (depth.ready, depth.in_flight) == (3, 1)
            await desk.end(sender)

    play(scene())

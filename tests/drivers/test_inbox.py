"""Marks that handling leaves: a message whose mark is there leaves its queue, and nothing else of its settlement happens."""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from postroad.core.delivery import Delivery
from postroad.core.message import Message
from postroad.core.outcome import ACCEPT, Outcome, Reject, Release, Settlement
from postroad.core.writes import Put
from postroad.drivers.sqlite.driver import SqliteDriver
from postroad.ports.driver import DeadLetterFilter, Subscription
from postroad.testing.conformance.desk import Desk, Ear, message, numbered, send, sit
from postroad.testing.conformance.engine import FOLLOWERS, QUEUE, EmbeddedEngine, Engine, declare

Play = Callable[[Coroutine[Any, Any, None]], None]

DAY_S = 86400.0


def marked(delivery: Delivery, mark: str | None, outcome: Outcome = ACCEPT) -> Settlement:
    """With a send and a write, so that it is seen whether it happened."""
    sends = (send(message(b"7"), FOLLOWERS),)
    return Settlement(delivery, outcome, sends, (Put("done", delivery.message.id, "{}"),), mark)


async def taken(desk: Desk, *sent: Message) -> list[Delivery]:
    await desk.send(*sent)
    return await desk.take(len(sent))


async def effects(desk: Desk, *deliveries: Delivery) -> tuple[int, int]:
    """How many messages and documents the settlements of these left."""
    written = await desk.documents("done", *(delivery.message.id for delivery in deliveries))
    return (await desk.depth(FOLLOWERS)).ready, len(written)


@pytest.mark.parametrize("outcome", [ACCEPT, Reject("no")], ids=["accept", "reject"])
def test_a_repeat_leaves_and_does_nothing(engine: Engine, play: Play, outcome: Outcome) -> None:
    async def scene() -> None:
        async with sit(engine) as desk:
            first, second = await taken(desk, *numbered(2))
            assert not await desk.settle(marked(first, "m"))
            (failure,) = await desk.settle(marked(second, "m", outcome))
            assert (failure.kind, failure.settlement.delivery) == ("duplicate", second)
            assert "'m'" in failure.reason
            assert await effects(desk, first, second) == (1, 1)
            assert await desk.looking.count_dead(DeadLetterFilter()) == 0
            assert (await desk.looking.counters())["duplicates"] == 1
            await desk.empty()

    play(scene())


def test_of_one_turn_the_first_counts(engine: Engine, play: Play) -> None:
    async def scene() -> None:
        async with sit(engine) as desk:
            deliveries = await taken(desk, *numbered(4))
            marks = ["a", "b", "a", None]
            failures = await desk.settle(*map(marked, deliveries, marks))
            assert [(each.kind, each.settlement.delivery) for each in failures] == [("duplicate", deliveries[2])]
            assert await effects(desk, *deliveries) == (3, 3)
            await desk.empty()

    play(scene())


def test_a_mark_is_one_queues_own(engine: Engine, play: Play) -> None:
    async def scene() -> None:
        async with sit(engine, QUEUE, FOLLOWERS) as desk:
            (first,) = await taken(desk, message())
            await desk.send(message(), queue=FOLLOWERS)
            (other,) = await desk.take(1)
            assert not await desk.settle(Settlement(first, ACCEPT, mark="m"), Settlement(other, ACCEPT, mark="m"))

    play(scene())


def test_an_id_that_its_sender_chose_is_no_mark(engine: Engine, play: Play) -> None:
    async def scene() -> None:
        async with sit(engine) as desk:
            (delivery,) = await taken(desk, message(id="m", dedupe=True))
            assert not await desk.settle(Settlement(delivery, ACCEPT, mark="m"))
            (receipt,) = await desk.send(message(id="m", dedupe=True))
            assert getattr(receipt, "duplicate_of", None) == "m"

    play(scene())


def test_a_dead_letter_leaves_its_mark(engine: Engine, play: Play) -> None:
    async def scene() -> None:
        async with sit(engine) as desk:
            first, second = await taken(desk, *numbered(2))
            assert not await desk.settle(marked(first, "m", Reject("no")))
            assert [failure.kind for failure in await desk.settle(marked(second, "m"))] == ["duplicate"]
            assert await desk.looking.count_dead(DeadLetterFilter()) == 1

    play(scene())


def test_what_goes_back_leaves_no_mark(engine: Engine, play: Play) -> None:
    async def scene() -> None:
        async with sit(engine) as desk:
            (delivery,) = await taken(desk, message())
            assert not await desk.settle(Settlement(delivery, Release(), mark="m"))
            again = await desk.take_one()
            assert not await desk.settle(marked(again, "m"))
            assert await effects(desk, again) == (1, 1)

    play(scene())


def test_a_refused_settlement_leaves_no_mark(engine: Engine, play: Play) -> None:
    async def scene() -> None:
        async with sit(engine) as desk:
            (delivery,) = await taken(desk, message())
            nowhere = (send(message(), "nowhere"),)
            (failure,) = await desk.settle(Settlement(delivery, ACCEPT, nowhere, mark="m"))
            assert failure.kind == "refused"
            assert [begun.verdict for begun in await desk.consumer.begin([delivery], ["m"])] == ["run"]
            assert not await desk.settle(marked(delivery, "m"))

    play(scene())


def test_of_two_alike_the_second_is_done_when_the_first_is_refused(engine: Engine, play: Play) -> None:
    async def scene() -> None:
        async with sit(engine) as desk:
            first, second = await taken(desk, *numbered(2))
            refused = Settlement(first, ACCEPT, (send(message(), "nowhere"),), mark="m")
            failures = await desk.settle(refused, marked(second, "m"))
            assert [(each.kind, each.settlement.delivery) for each in failures] == [("refused", first)]
            assert await effects(desk, first, second) == (1, 1)

    play(scene())


def test_a_lost_settlement_leaves_no_mark(engine: Engine, play: Play) -> None:
    async def scene() -> None:
        async with sit(engine) as desk:
            first, second = await taken(desk, *numbered(2))
            await desk.end(first)
            failures = await desk.settle(marked(first, "m"), marked(second, "n"))
            assert [(each.kind, each.settlement.delivery) for each in failures] == [("lost", first)]
            (third,) = await taken(desk, message())
            assert not await desk.settle(marked(third, "m"))
            assert await effects(desk, first, second, third) == (2, 2)

    play(scene())


def test_begin_knows_repeats_and_charges_nobody(engine: Engine, play: Play) -> None:
    async def scene() -> None:
        async with sit(engine) as desk:
            first, second, third, gone = await taken(desk, *numbered(4))
            assert not await desk.settle(marked(first, "m"), Settlement(gone, ACCEPT))
            begun = await desk.consumer.begin([second, third, gone], ["m", None, "m"])
            assert [each.verdict for each in begun] == ["duplicate", "run", "lost"]
            assert [each.delivery for each in begun] == [second, third, gone]
            await desk.end(second, third, outcome=Release())
            assert [(each.crashes, each.suspect) for each in await desk.take(2)] == [(0, False)] * 2

    play(scene())


def test_a_suspect_is_charged_once_unless_it_is_a_repeat(tmp_path: Path, play: Play) -> None:
    async def scene() -> None:
        engine = EmbeddedEngine(tmp_path)
        async with sit(engine) as desk:
            (before,) = await taken(desk, message())
            assert not await desk.settle(marked(before, "m"))
            await desk.send(message(b"1"))
            async with await engine.actor("hold", limit=1) as actor:
                await actor.line()
                await actor.kill()
            engine.lose_starts()
            await desk.supervising.sweep()
            suspect = await desk.take_one(alone=True)
            for mark, verdict in (("m", "duplicate"), ("n", "run"), ("n", "run")):
                assert [each.verdict for each in await desk.consumer.begin([suspect], [mark])] == [verdict]
                (where,) = await desk.looking.find([suspect.message.id])
                assert where.crashes == (verdict == "run")
            await desk.end(suspect)

    play(scene())


def test_a_mark_is_forgotten_after_a_week(tmp_path: Path, play: Play) -> None:
    now = [time.time()]

    async def scene() -> None:
        driver = SqliteDriver(str(tmp_path / "a.db"), clock=lambda: now[0])
        async with driver:
            await declare(driver, (QUEUE, FOLLOWERS))
            desk = Desk(driver, await driver.consume(Subscription((QUEUE,)), Ear()), (QUEUE,))
            for days, kinds in ((0.0, []), (6.9, ["duplicate"]), (0.2, [])):
                now[0] += days * DAY_S
                (delivery,) = await taken(desk, message())
                assert [each.kind for each in await desk.settle(marked(delivery, "m"))] == kinds
            await desk.consumer.close()

    play(scene())

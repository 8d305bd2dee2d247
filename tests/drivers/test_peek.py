"""Peeking shows what waits in the order in which one consumer gets it, and changes nothing."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import msgspec
import pytest

from postroad.core.outcome import ACCEPT, Release, Settlement
from postroad.drivers.sqlite.driver import SqliteDriver
from postroad.errors import NotFound
from postroad.ports.driver import Located, QueueDepth, Subscription
from postroad.testing.conformance.desk import Desk, Ear, bodies, message, numbered, sit
from postroad.testing.conformance.engine import QUEUE, EmbeddedEngine, Engine, declare

Play = Callable[[Coroutine[Any, Any, None]], None]

HOUR_S = 3600.0


async def peek(desk: Desk, limit: int = 1000) -> list[Located]:
    return list(await desk.looking.peek(desk.queue, limit))


async def seen(desk: Desk, limit: int = 1000) -> list[int]:
    return [int(each.message.body) for each in await peek(desk, limit)]


async def standing(desk: Desk) -> QueueDepth:
    """But for its age."""
    return msgspec.structs.replace(await desk.depth(), oldest_age_s=None)


async def delivered(desk: Desk) -> list[int]:
    """One after the other, each ended before the next is taken."""
    order: list[int] = []
    while found := (await desk.consumer.turn((), 1, 0)).deliveries:
        order += bodies(found)
        await desk.end(*found)
    return order


@pytest.mark.parametrize("seed", range(6))
def test_it_is_the_order_of_delivery(engine: Engine, play: Play, seed: int) -> None:
    """Priorities, keys, several batches, and some that are held meanwhile."""
    dice = random.Random(seed)

    async def scene() -> None:
        async with sit(engine) as desk:
            sent = [
                message(b"%d" % number, priority=dice.choice([4, 4, 0, 9]), key=dice.choice([None, "a", "b", "c"]))
                for number in range(40)
            ]
            await desk.send(*sent[:25])
            await desk.send(*sent[25:])
            held = await desk.take(4)
            waits = await seen(desk)
            assert sorted(waits) == sorted(set(range(40)) - set(bodies(held)))
            await desk.end(*held)
            expected = await seen(desk)
            assert [await seen(desk, limit) for limit in (0, 1, 7, 36)] == [expected[:limit] for limit in (0, 1, 7, 36)]
            assert await delivered(desk) == expected

    play(scene())


def test_delayed_ones_come_last_by_their_time(engine: Engine, play: Play) -> None:
    async def scene() -> None:
        now = time.time()
        async with sit(engine) as desk:
            delays = [300, None, 100, None, 200]
            await desk.send(
                *[
                    message(b"%d" % n, priority=9 - n, due_at=None if s is None else now + s)
                    for n, s in enumerate(delays)
                ]
            )
            found = await peek(desk)
            assert [int(each.message.body) for each in found] == [1, 3, 2, 4, 0]
            assert [each.place for each in found] == ["ready", "ready", "delayed", "delayed", "delayed"]
            assert [each.due_at for each in found[2:]] == [pytest.approx(now + s) for s in (100, 200, 300)]

    play(scene())


def test_a_lane_waits_behind_its_delayed_head(engine: Engine, play: Play) -> None:
    """What follows a message that is tried again later comes after it; another key's does not."""

    async def scene() -> None:
        async with sit(engine) as desk:
            await desk.send(*numbered(3, key="a"))
            await desk.end(await desk.take_one(), outcome=Release(HOUR_S, counted=True))
            await desk.send(message(b"7", key="b"), message(b"8"), message(b"9", due_at=time.time() + 2 * HOUR_S))
            assert await seen(desk) == [7, 8, 0, 1, 2, 9]

    play(scene())


def test_a_delayed_message_that_heads_no_lane_keeps_nobody_waiting(engine: Engine, play: Play) -> None:
    async def scene() -> None:
        async with sit(engine) as desk:
            await desk.send(message(b"0", key="a", due_at=time.time() + HOUR_S), *numbered(3, key="a")[1:])
            assert await seen(desk) == [1, 2, 0]

    play(scene())


def test_suspects_come_first(tmp_path: Path, play: Play) -> None:
    async def scene() -> None:
        engine = EmbeddedEngine(tmp_path)
        async with sit(engine) as desk:
            await desk.send(*numbered(2, priority=0))
            async with await engine.actor("hold", limit=2) as actor:
                await actor.line()
                await actor.kill()
            engine.lose_starts()
            await desk.supervising.sweep()
            await desk.send(message(b"9", priority=9))
            assert await seen(desk) == [0, 1, 9]

    play(scene())


def test_looking_changes_nothing_and_tells_all(engine: Engine, play: Play) -> None:
    async def scene() -> None:
        async with sit(engine) as desk:
            sent = message(b"\xff", headers={"a": "\u20ac"}, key="k", priority=2)
            await desk.send(sent)
            await desk.end(await desk.take_one(), outcome=Release(0, counted=True))
            first, depth = await peek(desk), await standing(desk)
            assert [await peek(desk) for _ in range(5)] == [first] * 5
            assert await standing(desk) == depth
            (found,) = first
            assert (found.message, found.attempt, found.crashes, found.queue, found.worker) == (sent, 2, 0, QUEUE, None)
            (delivery,) = await desk.take(1)
            assert (delivery.attempt, await peek(desk)) == (2, [])

    play(scene())


def test_a_queue_that_is_not_there_is_named(engine: Engine, play: Play) -> None:
    async def scene() -> None:
        async with sit(engine) as desk:
            with pytest.raises(NotFound, match="did you mean 'work'"):
                await desk.looking.peek("wrok", 1)

    play(scene())


def test_a_glance_at_a_long_queue_reads_little_of_it(tmp_path: Path, play: Play) -> None:
    """10 of 20,000 in lanes: counted in steps of SQLite's machine, not in time."""

    async def scene() -> None:
        async with SqliteDriver(str(tmp_path / "engine.db")) as driver:
            await declare(driver, (QUEUE,))
            desk = Desk(driver, await driver.consume(Subscription((QUEUE,)), Ear()), (QUEUE,))
            steps = []
            for _ in range(2):
                await desk.send(*[message(b"%d" % n, key=f"k{n % 100}") for n in range(10_000)])
                steps.append(await looked(driver, desk))
            assert steps[1] < steps[0] * 1.5, steps
            held = await desk.take(20)
            assert not await desk.settle(*(Settlement(each, ACCEPT) for each in held))
            await desk.consumer.close()

    async def looked(driver: SqliteDriver, desk: Desk) -> int:
        count = [0]
        connection = driver.reader.session.connection

        def step() -> bool:
            count[0] += 1
            return False

        connection.set_progress_handler(step, 10)
        assert len(await peek(desk, 10)) == 10
        connection.set_progress_handler(None)
        return count[0]

    play(scene())

"""Temporary and exclusive queues, as the driver keeps them: owners, heirs, the dead, and what nobody ever took from."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import pytest
from tests.drivers.support import hears, killed, opened, process, table, to

from postroad.core.outcome import ACCEPT, Settlement
from postroad.core.topology import Binding, Exchange, Queue
from postroad.drivers.sqlite.driver import SqliteDriver
from postroad.drivers.sqlite.temporary import UNOWNED_KEPT_S
from postroad.errors import NotFound, QueueExclusive, UsageError
from postroad.ports.driver import Subscription
from postroad.testing.conformance.desk import Ear

TEMPORARY = (
    Queue("t", temporary=True),
    Queue("stays"),
    Exchange("e"),
    Binding("e", "t", "#"),
    Binding("e", "stays", "#"),
)

TAKER = """
import asyncio, sys
from postroad.drivers.sqlite.driver import SqliteDriver
from postroad.ports.driver import Subscription
from postroad.testing.conformance.desk import Ear
async def main():
    async with SqliteDriver(sys.argv[1]) as driver:
        consumer = await driver.consume(Subscription(tuple(sys.argv[2:])), Ear())
        held = (await consumer.turn((), 1, 0)).deliveries
        print("taking", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
asyncio.run(main())
"""


async def names(driver: SqliteDriver) -> list[str]:
    return [queue.name for queue in (await driver.topology()).queues]


def files(driver: SqliteDriver) -> list[Path]:
    """In the run folder."""
    assert driver.site.folder is not None
    return sorted(driver.site.folder.iterdir())


def subscribed(*queues: str) -> Subscription:
    return Subscription(queues)


def test_a_killed_takers_temporary_queue_goes_at_the_sweep(tmp_path: Path) -> None:
    """With what it held of it, what waited, and the bindings; what it held of another queue comes back."""
    file = tmp_path / "engine.db"

    async def check() -> None:
        async with opened(file, *TEMPORARY) as driver:
            await driver.publish([to("t"), to("t")])
            other = process(TAKER, file, "t", "stays")
            try:
                hears(other, "taking")
                await driver.sweep()
                assert "t" in await names(driver)
            finally:
                killed([other])
            await driver.sweep()
            assert await names(driver) == ["stays"]
            assert (await driver.topology()).bindings == (Binding("e", "stays", "#"),)
            for name in ("message", "ready", "leased", "holder"):
                assert await table(driver, f"SELECT * FROM {name}") == []

    asyncio.run(check())


def test_an_heir_takes_over_a_temporary_queue_that_two_take_from(tmp_path: Path) -> None:
    async def check() -> None:
        async with opened(tmp_path / "engine.db", *TEMPORARY) as driver:
            first = await driver.consume(subscribed("t"), Ear())
            second = await driver.consume(subscribed("t", "stays"), Ear())
            await second.close()
            assert "t" in await names(driver)
            third = await driver.consume(subscribed("t"), Ear())
            await first.close()
            assert "t" in await names(driver)
            await third.close()
            assert await names(driver) == ["stays"]

    asyncio.run(check())


@pytest.mark.parametrize("kept", [True, False])
def test_a_temporary_queue_that_nobody_took_from_goes_after_a_while(kept: bool) -> None:
    async def check() -> None:
        clock = [1000.0]
        async with opened(None, *TEMPORARY, clock=lambda: clock[0]) as driver:
            if kept:
                await driver.consume(subscribed("t"), Ear())
            clock[0] += UNOWNED_KEPT_S - 1
            await driver.sweep()
            assert await names(driver) == ["stays", "t"]
            clock[0] += 1
            await driver.sweep()
            assert await names(driver) == (["stays", "t"] if kept else ["stays"])

    asyncio.run(check())


def test_a_dead_processs_exclusive_queue_is_free_at_once(tmp_path: Path) -> None:
    """Before any sweep. While it lives the refusal names it."""
    file = tmp_path / "engine.db"

    async def check() -> None:
        async with opened(file, Queue("x", exclusive=True)) as driver:
            other = process(TAKER, file, "x")
            try:
                hears(other, "taking")
                with pytest.raises(QueueExclusive, match=f"process {other.pid} "):
                    await driver.consume(subscribed("x"), Ear())
            finally:
                killed([other])
            consumer = await driver.consume(subscribed("x"), Ear())
            await driver.sweep()
            with pytest.raises(QueueExclusive, match=f"process {os.getpid()} "):
                await driver.consume(subscribed("x"), Ear())
            await consumer.close()

    asyncio.run(check())


def test_who_is_refused_leaves_nothing_behind(tmp_path: Path) -> None:
    async def check() -> None:
        async with opened(tmp_path / "engine.db", Queue("x", exclusive=True), Queue("a")) as driver:
            consumer = await driver.consume(subscribed("x"), Ear())
            before = files(driver)
            for _ in range(3):
                with pytest.raises(QueueExclusive):
                    await driver.consume(subscribed("a", "x"), Ear())
                with pytest.raises(NotFound):
                    await driver.consume(subscribed("nowhere"), Ear())
            assert files(driver) == before
            assert [holder.queues for holder in await driver.holders()] == [("x",)]
            await consumer.close()
            assert await driver.holders() == []
            await driver.delete_queue("x")

    asyncio.run(check())


def test_a_queue_that_is_taken_from_is_not_deleted(tmp_path: Path) -> None:
    file = tmp_path / "engine.db"

    async def check() -> None:
        async with opened(file, Queue("a")) as driver:
            await driver.publish([to("a"), to("a")])
            other = process(TAKER, file, "a")
            try:
                hears(other, "taking")
                with pytest.raises(UsageError, match=f"process {other.pid}"):
                    await driver.delete_queue("a")
                assert [(depth.ready, depth.in_flight) for depth in await driver.queues()] == [(1, 1)]
            finally:
                killed([other])
            assert await driver.delete_queue("a") == 2
            assert await names(driver) == []
            with pytest.raises(NotFound):
                await driver.delete_queue("a")

    asyncio.run(check())


def test_a_consumer_beside_another_gives_back_only_what_is_its_own(tmp_path: Path) -> None:
    """In a worker's child there is one seat; who pulls a message there is not to give back what the worker runs."""

    async def check() -> None:
        async with opened(tmp_path / "engine.db", Queue("work"), Queue("pulled")) as above:
            seat = above.reserve(4)
            async with SqliteDriver(above.path, seat=seat) as driver:
                await driver.publish([to("work"), to("pulled")])
                worker = await driver.consume(subscribed("work"), Ear())
                (running,) = (await worker.turn((), 1, 0)).deliveries
                puller = await driver.consume(subscribed("pulled"), Ear())
                assert len((await puller.turn((), 1, 0)).deliveries) == 1
                await puller.close()
                turn = await worker.turn([Settlement(running, ACCEPT)], 0, 0)
                assert not turn.failures
                assert {depth.queue: depth.ready for depth in await driver.queues()} == {"work": 0, "pulled": 1}
                await worker.close()
                again = await driver.consume(subscribed("work"), Ear())
                assert [holder.queues for holder in await driver.holders()] == [("work",)]
                await again.close()
            assert await above.vacate(seat) == 0

    asyncio.run(check())


def test_queues_by_the_hundred_come_and_go(tmp_path: Path) -> None:
    """What each process of a broadcast does: the rest goes on undisturbed, and nothing piles up."""

    async def check() -> None:
        async with opened(tmp_path / "engine.db", *TEMPORARY[1:3], TEMPORARY[4]) as driver:
            started = time.monotonic()
            for number in range(100):
                name = f"e.{number}"
                there = await driver.topology()
                declared = type(there)((Queue(name, temporary=True),), (), (Binding("e", name, "#"),))
                await driver.apply(await driver.plan(declared))
                await (await driver.consume(subscribed(name), Ear())).close()
            assert await names(driver) == ["stays"]
            assert await table(driver, "SELECT count(*) FROM counter WHERE name LIKE 'published:%'") == [(1,)]
            assert time.monotonic() - started < 60

    asyncio.run(check())

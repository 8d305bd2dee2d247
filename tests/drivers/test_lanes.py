"""Order by key, whatever happens: retries, suspects, kills, redrives, purges, cancels; and what it costs."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from postroad.core.delivery import Delivery
from postroad.core.outcome import ACCEPT, Reject, Release, Settlement
from postroad.core.topology import Queue
from postroad.drivers.sqlite.driver import SqliteDriver
from postroad.ports.driver import DeadLetterFilter
from postroad.testing.conformance.desk import Desk, beside, bodies, message, numbered, sit
from postroad.testing.conformance.engine import QUEUE, EmbeddedEngine, Engine, declare

Play = Callable[[Coroutine[Any, Any, None]], None]

ROUNDS = int(os.environ.get("POSTROAD_STRESS", "1"))
KEYS = min(200, 20 * ROUNDS)
EACH = min(500, 25 * ROUNDS)
WORKERS = 4
KILLS = min(60, 4 * ROUNDS)
LIMIT_S = 60.0 + KEYS * EACH / 100
ALL = DeadLetterFilter()


# Under load and kills


class Crew:
    """Processes that handle; each writes its starts into a file of its own."""

    def __init__(self, file: Path, folder: Path) -> None:
        self.file = file
        self.folder = folder
        self.hired = 0
        self.at_work: list[subprocess.Popen[bytes]] = []

    def hire(self) -> None:
        script = Path(__file__).with_name("lane_worker.py")
        starts = self.folder / f"starts-{self.hired}"
        command = [sys.executable, str(script), str(self.file), str(starts), str(self.hired)]
        self.at_work.append(subprocess.Popen(command, stdin=subprocess.PIPE))
        self.hired += 1

    def replace(self, dice: random.Random) -> None:
        """One is killed, another one begins."""
        victim = self.at_work.pop(dice.randrange(len(self.at_work)))
        assert victim.poll() is None, "a worker ended by itself"
        victim.kill()
        victim.wait()
        self.hire()

    def dismiss(self) -> None:
        """Raises AssertionError when one of them failed."""
        for each in self.at_work:
            each.communicate(timeout=30)
        assert [each.returncode for each in self.at_work] == [0] * len(self.at_work)

    def kill(self) -> None:
        for each in self.at_work:
            each.kill()
            each.wait()

    def starts(self) -> list[tuple[int, str, int]]:
        """When, which key, which number; in the order in which they happened."""
        lines = [line.split() for path in self.folder.glob("starts-*") for line in path.read_text().splitlines()]
        return sorted((int(when), key, int(number)) for key, number, when in lines)


async def ends_of(crew: Crew, driver: SqliteDriver) -> list[tuple[str, int]]:
    """Key and number of each message handled, in the order of the ends; meanwhile workers are killed."""
    dice = random.Random(1)
    ends: list[tuple[str, int]] = []
    kills = 0
    deadline = time.monotonic() + LIMIT_S
    async with beside(driver, "done") as desk:
        while len(ends) < KEYS * EACH:
            assert time.monotonic() < deadline, f"{len(ends)} of {KEYS * EACH} within {LIMIT_S:g} s"
            turn = await desk.consumer.turn((), 50, 0.5)
            await desk.end(*turn.deliveries)
            words = [each.message.body.decode().strip('"').split() for each in turn.deliveries]
            ends += [(key, int(number)) for key, number in words]
            if kills < KILLS and len(ends) > KEYS * EACH * (kills + 0.5) / (KILLS + 0.5):
                crew.replace(dice)
                kills += 1
    assert kills == KILLS
    return ends


@pytest.mark.stress
@pytest.mark.timeout(LIMIT_S + 120)
def test_no_kill_and_no_retry_breaks_a_keys_order(tmp_path: Path) -> None:
    async def scene() -> tuple[list[tuple[str, int]], dict[str, int]]:
        async with SqliteDriver(str(tmp_path / "engine.db")) as driver:
            await declare(driver, ("work", "done"))
            async with beside(driver, "done") as desk:
                for number in range(EACH):
                    await desk.send(*[message(b"%d" % number, key=f"k{key}") for key in range(KEYS)], queue="work")
            for _ in range(WORKERS):
                crew.hire()
            ends = await ends_of(crew, driver)
            crew.dismiss()
            (depth,) = [depth for depth in await driver.queues() if depth.queue == "work"]
            assert (depth.ready, depth.delayed, depth.in_flight, depth.dead) == (0, 0, 0, 0)
            return ends, await driver.counters()

    crew = Crew(tmp_path / "engine.db", tmp_path)
    try:
        ends, counters = asyncio.run(scene())
    finally:
        crew.kill()
    ended, started = defaultdict(list), defaultdict(list)
    for key, number in ends:
        ended[key].append(number)
    for _when, key, number in crew.starts():
        started[key].append(number)
    assert ended == {f"k{key}": list(range(EACH)) for key in range(KEYS)}, (
        "an order was broken, or one was lost or done twice"
    )
    for key, numbers in started.items():
        assert numbers == sorted(numbers), f"{key}: one started before the one before it had ended"
    assert counters["recovered"] >= 1 and counters["released"] >= 1, "nothing was killed, or nothing was tried again"


# What an operator does


async def taken_in_turn(desk: Desk) -> list[int]:
    """One after the other; never two of them at once."""
    order: list[int] = []
    while found := (await desk.consumer.turn((), 10, 0)).deliveries:
        assert len(found) == 1, f"{bodies(found)} at once"
        order += bodies(found)
        await desk.end(*found)
    return order


@pytest.mark.parametrize("held", [False, True])
def test_redriven_ones_come_behind_what_waits_in_their_order(engine: Engine, play: Play, held: bool) -> None:
    async def scene() -> None:
        async with sit(engine) as desk:
            await desk.send(*numbered(6, key="a"))
            for _ in range(3):
                await desk.end(await desk.take_one(), outcome=Reject("no"))
            head = [await desk.take_one()] if held else []
            await desk.operating.redrive(ALL, 2)
            await desk.operating.redrive(ALL, 2)
            await desk.end(*head)
            assert bodies(head) + await taken_in_turn(desk) == [3, 4, 5, 0, 1, 2]

    play(scene())


@pytest.mark.parametrize("state", ["ready", "held", "delayed"])
def test_purging_leaves_a_lane_that_goes_on(engine: Engine, play: Play, state: str) -> None:
    """Its head goes with the rest, unless somebody has it."""

    async def scene() -> None:
        async with sit(engine) as desk:
            await desk.send(*numbered(4, key="a"))
            head: list[Delivery] = [] if state == "ready" else [await desk.take_one()]
            if state == "delayed":
                await desk.end(*head, outcome=Release(3600, counted=True))
                head = []
            assert await desk.operating.purge(QUEUE, 2) == 2
            rest = {"ready": [2, 3], "held": [3], "delayed": [2, 3]}[state]
            await desk.send(message(b"9", key="a"))
            await desk.end(*head)
            assert await taken_in_turn(desk) == [*rest, 9]
            await desk.empty()

    play(scene())


def test_cancelling_any_of_a_lane_leaves_the_others_in_order(engine: Engine, play: Play) -> None:
    async def scene() -> None:
        for gone in ([0], [1, 3], [0, 1, 2], [4], [0, 4], [0, 1, 2, 3, 4]):
            async with sit(engine) as desk:
                sent = numbered(5, key="a", track=True)
                await desk.send(*sent)
                await desk.operating.cancel([sent[number].id for number in gone], "why")
                await desk.send(message(b"5", key="a"))
                assert await taken_in_turn(desk) == [number for number in range(6) if number not in gone]

    play(scene())


def test_a_lane_waits_for_its_suspect(tmp_path: Path, play: Play) -> None:
    """It runs alone, is given back unstarted, tried again, and still nobody of its key overtakes it."""

    async def scene() -> None:
        engine = EmbeddedEngine(tmp_path)
        async with sit(engine) as desk:
            await desk.send(*numbered(3, key="a"))
            async with await engine.actor("hold", limit=1) as actor:
                await actor.line()
                await actor.kill()
            engine.lose_starts()
            await desk.supervising.sweep()
            await desk.nothing(0)
            await desk.end(await desk.take_one(alone=True), outcome=Release())
            await desk.nothing(0)
            suspect = await desk.take_one(alone=True)
            await desk.consumer.begin([suspect])
            await desk.end(suspect, outcome=Release(0, counted=True))
            assert await taken_in_turn(desk) == [0, 1, 2]

    play(scene())


def test_a_lane_loses_its_oldest_and_goes_on(engine: Engine, play: Play) -> None:
    few = Queue("few", max_length=2, overflow="drop_oldest")

    async def scene() -> None:
        async with sit(engine, "few", declares=[few]) as desk:
            await desk.send(*numbered(3, key="a"))
            held = await desk.take_one()
            await desk.send(*numbered(6, key="a")[3:])
            assert bodies([held]) == [1]
            await desk.end(held)
            assert await taken_in_turn(desk) == [4, 5]
            found = await desk.looking.dead_letters(ALL, 10)
            assert sorted(int(letter.message.body) for letter in found) == [0, 2, 3]

    play(scene())


# What it costs


def test_a_keyed_message_costs_the_same_whatever_waits(tmp_path: Path, play: Play) -> None:
    """Counted in steps of SQLite's machine, not in time."""

    async def steps_of(driver: SqliteDriver, desk: Desk) -> int:
        count = [0]

        def step() -> bool:
            count[0] += 1
            return False

        connection = driver.writer.session.connection
        connection.set_progress_handler(step, 10)
        for _ in range(20):
            await desk.send(message(key="k1"))
            taken = await desk.take(2)
            assert not await desk.settle(*(Settlement(each, ACCEPT) for each in taken))
        connection.set_progress_handler(None)
        return count[0]

    async def scene() -> None:
        async with SqliteDriver(str(tmp_path / "engine.db")) as driver, beside(driver) as desk:
            steps = []
            for _ in range(2):
                await desk.send(*[message(b"%d" % n, key=f"k{n % 50}") for n in range(5_000)])
                steps.append(await steps_of(driver, desk))
            assert steps[1] < steps[0] * 1.3, steps

    play(scene())

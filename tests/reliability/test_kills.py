"""SIGKILL at each point of writing and of relaying: the rows of the business table are the messages in the queue, each
once, and those of a key in order."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.reliability import victims
from tests.reliability.engines import QUEUE, Bench, auntil, bodies
from tests.reliability.shops import Shop

from postroad.drivers.sqlite.driver import SqliteDriver
from postroad.errors import NotSupported
from postroad.reliability.origins import by_url
from postroad.reliability.relay import Relay

ROOT = Path(__file__).parents[2]
WRITER_ROUNDS = 2
RELAY_ROUNDS = 3


class Victims:
    """Processes that are killed, and none of them left behind."""

    def __init__(self) -> None:
        self.all: list[subprocess.Popen[str]] = []

    def __call__(self, verb: str, url: str, name: str, point: str = "never", at: int = 1) -> subprocess.Popen[str]:
        words = [sys.executable, "-m", "tests.reliability.victims", verb, url, name, point, str(at)]
        self.all.append(subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True))
        return self.all[-1]

    def end(self) -> None:
        for process in self.all:
            process.kill()
            process.communicate()


@pytest.fixture
def victim() -> Iterator[Victims]:
    victims = Victims()
    yield victims
    victims.end()


def killed(process: subprocess.Popen[str]) -> None:
    """It died by its own hand, not of an error."""
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL


def kill_after(process: subprocess.Popen[str], lines: int) -> None:
    """Once it has said so many lines."""
    assert process.stdout is not None
    for _ in range(lines):
        assert process.stdout.readline()
    process.kill()
    killed(process)


def relay_the_rest(shop: Shop, bench: Bench) -> list[str]:
    """As soon as the lease of the dead is over; the queue's messages, in order."""

    async def rest(driver: SqliteDriver) -> list[str]:
        one = Relay(by_url(shop.url), lambda: bench.file, victims.LEASE_S)

        async def drained() -> bool:
            try:
                await one.drain(driver)
            except NotSupported:
                return False
            return True

        await auntil(drained, "the dead relay's lease is over")
        return await bodies(driver, QUEUE)

    return bench.run(rest)


def check(shop: Shop, bench: Bench) -> int:
    """Rows are messages, none lost, none extra, in order; how many."""
    found, orders = relay_the_rest(shop, bench), shop.orders()
    assert len(found) == len(set(found)), "a message came twice"
    assert sorted(found) == orders, "rows are not messages"
    assert shop.waiting() == 0
    last: dict[tuple[str, int], str] = {}
    for id in found:
        writer, number = id.split(":")
        assert last.get((writer, int(number) % 2), "") < id, "a key is out of order"
        last[writer, int(number) % 2] = id
    return len(orders)


@pytest.mark.parametrize("point", victims.WRITER_POINTS[:-1])
def test_a_writer_that_dies_at_a_point(either: Shop, bench: Bench, victim: Victims, point: str) -> None:
    killed(victim("write", either.url, "a", point, 3))
    assert check(either, bench) == (3 if point == "commit" else 2)


@pytest.mark.stress
def test_writers_that_die_whenever(either: Shop, bench: Bench, victim: Victims, stress_rounds: int) -> None:
    chance, confirmed = random.Random(7), 0
    for number in range(WRITER_ROUNDS * stress_rounds):
        writers = [victim("write", either.url, f"{number}-{name}") for name in "ab"]
        for writer in writers:
            lines = chance.randint(1, 25)
            kill_after(writer, lines)
            confirmed += lines
    assert check(either, bench) >= confirmed


@pytest.mark.parametrize("point", victims.RELAY_POINTS[:-1])
def test_a_relay_that_dies_at_a_point(either: Shop, bench: Bench, victim: Victims, point: str) -> None:
    kill_after(victim("write", either.url, "before"), 50)
    killed(victim("relay", either.url, bench.file, point))
    kill_after(victim("write", either.url, "later"), 50)
    assert check(either, bench) >= 100


@pytest.mark.stress
def test_relays_that_die_whenever_while_others_write(
    either: Shop, bench: Bench, victim: Victims, stress_rounds: int
) -> None:
    chance = random.Random(11)
    writers = [victim("write", either.url, name) for name in "ab"]
    for _ in range(RELAY_ROUNDS * stress_rounds):
        relays = [victim("relay", either.url, bench.file) for _ in range(2)]
        for relay in relays:
            kill_after(relay, 1) if chance.random() < 0.3 else kill_later(relay, chance.uniform(0, 0.6))
    for writer in writers:
        kill_after(writer, 1)
    assert check(either, bench) > 0


def kill_later(process: subprocess.Popen[str], seconds: float) -> None:
    """At a moment that nothing in it decides: that is what this test is about."""
    assert process.stdout is not None and process.stdout.readline()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
    killed(process)

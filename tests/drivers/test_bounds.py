"""Queues that hold so many: exact under the lock, whoever sends at once."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import pytest
from tests.drivers.support import by, comes_true, counted, hears, killed, opened, process, table, to, waiting

from postroad.core.message import Receipt, Refused, Unique
from postroad.core.outcome import ACCEPT, Settlement
from postroad.core.topology import Binding, Exchange, Queue
from postroad.drivers.sqlite import bounds, operations, publish
from postroad.drivers.sqlite.driver import SqliteDriver
from postroad.drivers.sqlite.session import Session
from postroad.ports.driver import DeadLetterFilter, Subscription
from postroad.testing.conformance.desk import Ear

BOUND = 40
PROCESSES = 4
TURNS = 60

HAMMER = """
import random, sys
from postroad.core.message import Receipt
from postroad.drivers.sqlite.driver import SqliteDriver
from tests.drivers.support import by, to
driver = SqliteDriver(sys.argv[1])
driver.open()
choice = random.Random(int(sys.argv[2]))
print("ready", flush=True)
sys.stdin.readline()
taken = 0
while taken < int(sys.argv[3]):
    count = choice.choice([1, 1, 2, 30, 120])
    make = choice.choice([lambda: to("bounded"), lambda: by("e", "any")])
    answers = driver.publish_wait([make() for _ in range(count)], durability="relaxed")
    taken += sum(isinstance(answer, Receipt) for answer in answers)
print(taken, flush=True)
driver.close()
"""


async def drained(driver: SqliteDriver, most: int, until: int) -> int:
    """Takes all that comes, this many at the most; looks each time that no more than the bound is waiting."""
    consumer = await driver.consume(Subscription(("bounded",)), Ear())
    taken = 0
    settled: list[Settlement] = []
    while taken < until or settled:
        assert await waiting(driver, "bounded") <= BOUND
        turn = await consumer.turn(settled, 7, 0.2)
        assert not turn.failures
        settled = [Settlement(delivery, ACCEPT) for delivery in turn.deliveries]
        taken += len(settled)
        assert taken <= most
    await consumer.close()
    return taken


@pytest.mark.slow
@pytest.mark.parametrize("overflow", ["reject", "block"])
def test_processes_that_hammer_a_bounded_queue_never_overfill_it(tmp_path: Path, overflow: str) -> None:
    file, each = tmp_path / "engine.db", 150
    declared = (Queue("bounded", max_length=BOUND, overflow=overflow), Exchange("e", "fanout"), Binding("e", "bounded"))

    async def check() -> None:
        async with opened(file, *declared) as driver:
            others = [process(HAMMER, file, number, each) for number in range(PROCESSES)]
            try:
                for other in others:
                    hears(other, "ready")
                for other in others:
                    assert other.stdin is not None
                    other.stdin.write("go\n")
                    other.stdin.flush()
                await drained(driver, 10**9, PROCESSES * each)
                words = [await asyncio.to_thread(other.communicate) for other in others]
                accepted = sum(int(out) for out, _err in words)
                published = await counted(driver, "seq")
                assert accepted == published
                assert await counted(driver, "accepted") + await waiting(driver, "bounded") == published
                assert await waiting(driver, "bounded") <= BOUND
            finally:
                killed([other for other in others if other.returncode is None])

    asyncio.run(check())


@pytest.mark.slow
def test_what_makes_room_under_load_adds_up(tmp_path: Path) -> None:
    file, each = tmp_path / "engine.db", 1000
    declared = (Queue("bounded", max_length=BOUND, overflow="drop_oldest"), Exchange("e"), Binding("e", "bounded", "#"))

    async def check() -> None:
        async with opened(file, *declared) as driver:
            others = [process(HAMMER, file, number, each) for number in range(PROCESSES)]
            try:
                for other in others:
                    hears(other, "ready")
                for other in others:
                    assert other.stdin is not None
                    other.stdin.write("go\n")
                    other.stdin.flush()

                async def over() -> bool:
                    assert await waiting(driver, "bounded") <= BOUND
                    return all(other.poll() is not None for other in others)

                await comes_true(over)
                sent = sum(int(other.communicate()[0]) for other in others)
            finally:
                killed([other for other in others if other.returncode is None])
            assert await counted(driver, "seq") == sent >= PROCESSES * each
            assert await driver.count_dead(DeadLetterFilter(error_type="Overflow")) == sent - BOUND
            assert await waiting(driver, "bounded") == BOUND
            ((oldest,), (newest,)) = await table(
                driver, "SELECT min(seq) FROM message UNION ALL SELECT max(seq) FROM message"
            )
            assert newest - oldest == BOUND - 1

    asyncio.run(check())


def test_callers_who_share_a_transaction_share_the_room() -> None:
    """And what one is refused is nothing to the others."""

    async def check() -> None:
        async with opened(None, Queue("b", max_length=5, overflow="reject"), Queue("free")) as driver:
            sent = await asyncio.gather(*(driver.publish([to("b"), to("free")]) for _ in range(20)))
            assert [isinstance(first, Receipt) for first, _second in sent] == [True] * 5 + [False] * 15
            assert all(isinstance(second, Receipt) for _first, second in sent)
            assert (await waiting(driver, "b"), await waiting(driver, "free")) == (5, 20)

    asyncio.run(check())


def test_a_repeat_takes_no_room_and_what_was_refused_is_no_first_one() -> None:
    async def check() -> None:
        async with opened(None, Queue("b", max_length=1, overflow="reject"), Queue("u")) as driver:
            twice = to("b", id="same", dedupe=True)
            first, again = await driver.publish([twice, twice])
            assert (first, again) == (Receipt("same"), Receipt("same", "same"))
            full, other, elsewhere = await driver.publish(
                [to("b", unique=Unique("k")), to("b", id="new", dedupe=True), to("u", id="third", unique=Unique("k"))]
            )
            assert isinstance(full, Refused) and isinstance(other, Refused)
            assert elsewhere == Receipt("third")
            await driver.purge("b")
            assert list(await driver.publish([to("b", id="new", dedupe=True)])) == [Receipt("new")]

    asyncio.run(check())


async def room(driver: SqliteDriver, name: str) -> int | None:
    return await driver.call(lambda session: bounds.room(session, session.queue_number(name)))


def test_room_is_told_to_whoever_asks_in_the_transaction() -> None:
    async def check() -> None:
        declared = (Queue("r", max_length=3), Queue("d", max_length=3, overflow="drop_oldest"), Queue("free"))
        async with opened(None, *declared) as driver:
            await driver.publish([to("r"), to("r", key="k"), to("d"), to("free")])
            rooms = [await room(driver, name) for name in ("r", "d", "free")]
            assert rooms == [1, 2, None]

    asyncio.run(check())


@pytest.mark.parametrize("whole", [True, False])
def test_what_was_counted_in_a_transaction_that_was_undone_is_forgotten(whole: bool) -> None:
    """The whole transaction, or a part of it."""

    def undone(session: Session) -> None:
        operations.purge(session, "b", 10)
        publish.publish(session, [to("b"), to("b")])  # which needs a count, and finds the queue empty
        raise KeyError

    def partly(session: Session) -> None:
        with contextlib.suppress(KeyError), session.attempt():
            undone(session)

    async def check() -> None:
        async with opened(None, Queue("b", max_length=3)) as driver:
            await driver.publish([to("b"), to("b")])
            with contextlib.suppress(KeyError):
                await driver.call(undone if whole else partly)
            answers = await driver.publish([to("b"), to("b"), to("b")])
            assert [isinstance(answer, Receipt) for answer in answers] == [True, False, False]

    asyncio.run(check())


def test_an_unsaid_overflow_rejects() -> None:
    async def check() -> None:
        async with opened(None, Queue("b", max_length=1)) as driver:
            answers = await driver.publish([to("b"), to("b")])
            assert getattr(answers[1], "kind", "") == "full"

    asyncio.run(check())


@pytest.mark.parametrize(("own", "expected"), [(None, 110.0), (105.0, 105.0), (200.0, 110.0)])
def test_a_ttl_is_the_sooner_of_two_and_each_queues_own(own: float | None, expected: float) -> None:
    async def check() -> None:
        declared = (Queue("t", ttl_s=10.0), Queue("long", ttl_s=1000.0), Queue("none"), Exchange("e", "fanout"))
        async with opened(None, *declared, *(Binding("e", name) for name in ("t", "long", "none"))) as driver:
            for count in (1, 2, 150):
                await driver.publish([by("e", "", expires_at=own, queued_at=100.0) for _ in range(count)])
            found = await table(
                driver,
                "SELECT DISTINCT q.name, m.head ->> 2 FROM message m JOIN queue q ON q.id = m.queue ORDER BY q.name",
            )
            assert found == [("long", own or 1100.0), ("none", own), ("t", expected)]

    asyncio.run(check())


def test_a_queue_without_a_bound_is_asked_nothing() -> None:
    """Its messages take the short way, though bounded queues are there."""

    async def check() -> None:
        async with opened(None, Queue("b", max_length=1), Queue("free")) as driver:
            await driver.publish([to("free")])
            asked: list[str] = []

            def trace(_cursor: object, sql: str, _bindings: object) -> bool:
                asked.append(sql)
                return True

            driver.writer.session.connection.exec_trace = trace
            await driver.publish([to("free")])
            driver.writer.session.connection.exec_trace = None
            assert len(asked) == 1

    asyncio.run(check())

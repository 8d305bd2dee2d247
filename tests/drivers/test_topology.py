"""What is declared on a file: numbers of queues, versions of the topology, older files, removal."""

from __future__ import annotations

import asyncio
from pathlib import Path

import apsw
import pytest
from tests.drivers.support import by, counted, opened, table, to

from postroad.core.message import Receipt, Refused
from postroad.core.outcome import Reject, Settlement
from postroad.core.topology import Binding, Exchange, Queue, Thing, Topology
from postroad.drivers.sqlite.schema import APPLICATION_ID, VERSION, VERSION_1
from postroad.errors import NotFound
from postroad.ports.driver import Subscription
from postroad.testing.conformance.desk import Ear
from postroad.testing.conformance.engine import establish

LARGE = 150
"""More than what makes a batch be prepared beside the writer."""

TABLES = (
    "message",
    "ready",
    "due",
    "follower",
    "suspect",
    "leased",
    "lane",
    "inbox",
    "dead",
    "queue",
    "binding",
    "claimed_key",
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "engine.db"


def test_declaring_the_same_again_moves_no_version(file: Path) -> None:
    """So that no process reads its bindings again because another one was started."""

    async def check() -> None:
        things = (Queue("a", "tasks"), Exchange("e"), Binding("e", "a", "x.*"))
        async with opened(file, *things) as driver:
            before = await counted(driver, "topology")
            await establish(driver, *things, Queue("a"))
            assert await counted(driver, "topology") == before
            await establish(driver, Binding("e", "a", "y"))
            assert await counted(driver, "topology") > before

    asyncio.run(check())


def test_a_number_is_never_given_to_a_second_queue(file: Path) -> None:
    async def check() -> None:
        async with opened(file, Queue("a"), Queue("b")) as driver:
            ((first,),) = await table(driver, "SELECT id FROM queue WHERE name = 'b'")
            await driver.delete_queue("b")
            await establish(driver, Queue("c"))
            assert await table(driver, "SELECT id FROM queue WHERE name = 'c'") == [(first + 1,)]

    asyncio.run(check())


@pytest.mark.parametrize("count", [1, 2, LARGE])
def test_what_goes_to_a_queue_that_another_process_removed_is_refused(file: Path, count: int) -> None:
    """Whoever knows it still by its number: nothing is lost, nothing goes into the queue that came after it."""

    async def check() -> None:
        async with opened(file, Queue("a"), Queue("b")) as mine, opened(file) as other:
            assert isinstance((await mine.publish([to("b")]))[0], Receipt)
            await other.delete_queue("b")
            await establish(other, Queue("c"))
            answers = await mine.publish([to("b") for _ in range(count)])
            assert {answer.kind for answer in answers if isinstance(answer, Refused)} == {"unroutable"}
            assert len(answers) == count
            assert await table(mine, "SELECT count(*) FROM message") == [(0,)]

    asyncio.run(check())


@pytest.mark.parametrize("count", [1, 2, LARGE])
def test_a_queue_that_was_made_again_gets_what_is_sent_to_its_name(file: Path, count: int) -> None:
    async def check() -> None:
        async with opened(file, Queue("b")) as mine, opened(file) as other:
            await mine.publish([to("b")])
            await other.delete_queue("b")
            await establish(other, Queue("b"))
            assert all(isinstance(answer, Receipt) for answer in await mine.publish([to("b") for _ in range(count)]))
            assert [depth.ready for depth in await other.queues()] == [count]

    asyncio.run(check())


@pytest.mark.parametrize("count", [1, 2, LARGE])
def test_what_another_process_bound_and_unbound_counts_from_then_on(file: Path, count: int) -> None:
    async def check() -> None:
        old, new = Binding("e", "a", "x"), Binding("e", "b", "x")
        async with opened(file, Queue("a"), Queue("b"), Exchange("e"), old) as mine, opened(file) as other:
            await mine.publish([by("e", "x")])
            await mine.publish([by("e", "x") for _ in range(LARGE)])
            await establish(other, new)
            assert await other.unbind(old)
            answers = await mine.publish([by("e", "x") for _ in range(count)])
            assert [answer.routed for answer in answers if isinstance(answer, Receipt)] == [1] * count
            assert {depth.queue: depth.ready for depth in await other.queues()} == {"a": LARGE + 1, "b": count}

    asyncio.run(check())


def test_one_callers_stale_view_undoes_nothing_of_those_committed_with_it(file: Path) -> None:
    """They share a transaction: each has its own answer all the same."""

    async def check() -> None:
        async with opened(file, Queue("a"), Queue("b")) as mine, opened(file) as other:
            await mine.publish([to("a"), to("b")])
            await other.delete_queue("b")
            sent = await asyncio.gather(*(mine.publish([to("ab"[number % 2])]) for number in range(40)))
            assert [isinstance(answer, Receipt) for (answer,) in sent] == [True, False] * 20
            assert [depth.ready for depth in await mine.queues()] == [21]

    asyncio.run(check())


def test_nothing_of_a_removed_queue_is_left(file: Path) -> None:
    async def check() -> None:
        things = (Queue("a"), Exchange("e"), Binding("e", "a", "#"))
        async with opened(file, Queue("other"), Exchange("o"), Binding("o", "other")) as driver:
            before = [await table(driver, f"SELECT * FROM {name}") for name in TABLES]
            await establish(driver, *things)
            consumer = await driver.consume(Subscription(("a",)), Ear())
            await driver.publish(
                [by("e", "k", key="lane", dedupe=True), by("e", "k", key="lane"), by("e", "k", due_at=9e9)]
            )
            await driver.publish([to("a"), to("a"), to("a")])
            held = (await consumer.turn((), 2, 0)).deliveries
            await consumer.turn([Settlement(held[0], Reject("no"))], 0, 0)
            await consumer.close()
            assert await driver.delete_queue("a") == 5
            await driver.delete_exchange("e")
            assert [await table(driver, f"SELECT * FROM {name}") for name in TABLES] == before
            assert await table(driver, "SELECT * FROM counter WHERE name LIKE 'published:%'") == [("published:1", 0)]

    asyncio.run(check())


def test_what_cannot_be_bound_is_told_and_nothing_of_its_plan_is_done(file: Path) -> None:
    async def check() -> None:
        async with opened(file, Queue("a"), Exchange("e")) as driver:
            wrongs: list[tuple[Thing, str]] = [
                (Binding("e", "aa"), "'aa'; did you mean 'a'?"), (Binding("nowhere", "a"), "'nowhere'"),
                (Binding("e", "a", to_exchange=True), "'a'"), (Exchange("f", alternate="g"), "'g'"),
            ]  # fmt: skip
            for wrong, name in wrongs:
                with pytest.raises(NotFound, match=name.replace("?", r"\?")):
                    await establish(driver, Queue("new"), wrong)
            assert await driver.topology() == Topology((Queue("a"),), (Exchange("e"),))

    asyncio.run(check())


def test_a_file_of_the_first_version_becomes_one_of_this(file: Path) -> None:
    """Its queues go on, with their messages, and count what is published from now on."""
    connection = apsw.Connection(str(file))
    connection.execute(f"{VERSION_1}; PRAGMA application_id={APPLICATION_ID}; PRAGMA user_version=1")
    connection.execute(
        """INSERT INTO queue VALUES (7, 'old', '{"name":"old","carries":"tasks"}');
        INSERT INTO message(seq, id, queue, rank, flags, attempt, crashes, head, body) VALUES (3, 'x', 7, 5, 16, 1, 0, '[{},1.0]', '1');
        INSERT INTO ready VALUES (7, 5, 3); UPDATE counter SET value = 3 WHERE name = 'seq'"""
    )
    connection.close()

    async def check() -> None:
        async with opened(file, Queue("new")) as driver:
            assert await driver.topology() == Topology((Queue("new"), Queue("old", "tasks")))
            await driver.publish([to("old"), to("new")])
            assert await table(driver, "SELECT name, value FROM counter WHERE name LIKE 'published:%'") == [
                ("published:7", 1), ("published:8", 1),
            ]  # fmt: skip
            assert {depth.queue: depth.ready for depth in await driver.queues()} == {"new": 1, "old": 2}
            assert await table(driver, "PRAGMA user_version") == [(VERSION,)]

    asyncio.run(check())

"""The ways a message takes into its queues: one by one, in small batches, in large ones. They differ in nothing but cost."""

from __future__ import annotations

import asyncio
import base64
import json
import random
from pathlib import Path
from typing import Any

import pytest
from tests.drivers.support import by, counted, hears, killed, message, opened, process, table, to

from postroad.core.message import Address, Receipt, Refused, Send
from postroad.core.topology import Binding, Exchange, Queue, Thing
from postroad.drivers.sqlite.driver import SqliteDriver

KILLS = 6
GROUPS = ("g1", "g2", "g3")
FAN: tuple[Thing, ...] = (*map(Queue, GROUPS), Exchange("e"), *(Binding("e", group, "order.*") for group in GROUPS))
ROWS = """
SELECT m.id, q.name, m.rank, m.key, m.due_at, m.flags, m.attempt, m.crashes, m.head, m.body, r.seq IS NOT NULL,
       d.seq IS NOT NULL, f.seq IS NOT NULL, l.seq IS NOT NULL
FROM message m JOIN queue q ON q.id = m.queue LEFT JOIN ready r ON r.seq = m.seq LEFT JOIN due d ON d.seq = m.seq
LEFT JOIN follower f ON f.seq = m.seq LEFT JOIN lane l ON l.seq = m.seq ORDER BY m.seq
"""


def assorted(count: int) -> list[Send]:
    """Bodies that are JSON and that are not, priorities, delays, keys; straight and through the exchange."""
    choice = random.Random(7)
    sends: list[Send] = []
    for number in range(count):
        options: dict[str, Any] = {
            "id": f"s{number}",
            "body": choice.choice([b'{"a": 1}', b"\xff\x00", b"", b'"text"', b" [1]"]),
            "queued_at": 1.0,
            "priority": choice.randrange(10),
            "headers": choice.choice([{}, {"h": "ä'\""}]),
            "track": choice.random() < 0.5,
            "due_at": choice.choice([None, None, 9e9]),
            "key": choice.choice([None, None, "k"]),
        }
        where = choice.choice(
            [Address("g1"), Address("order.new", "e"), Address("order.new.old", "e"), Address("one", "d")]
        )
        sends.append(Send(where, message(**options)))
    return sends


async def after(sends: list[Send], size: int) -> tuple[list[object], list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """Answers, rows and counters once they were sent in batches of this size."""
    async with opened(None, *FAN, Exchange("d", "direct"), Binding("d", "g2", "one")) as driver:
        await driver.publish([by("e", "order.first", id="first", queued_at=1.0)])  # the table is there from now on
        answers: list[object] = []
        for start in range(0, len(sends), size):
            answers += await driver.publish(sends[start : start + size])
        counters = await table(driver, "SELECT name, value FROM counter ORDER BY name")
        return answers, await table(driver, ROWS), counters


@pytest.mark.parametrize("size", [2, 50, 400])
def test_batches_of_any_size_come_to_the_same(size: int) -> None:
    sends = assorted(400)
    assert asyncio.run(after(sends, size)) == asyncio.run(after(sends, 1))


@pytest.mark.parametrize("size", [1, 400])
def test_a_large_batch_of_what_is_routed_is_made_ready_beside_the_writer(size: int) -> None:
    """All of it is routed, so that it takes that way, and it comes to the same."""
    sends = [by("e", "order.new", id=f"s{number}", queued_at=1.0) for number in range(400)]
    answers, rows, _counters = asyncio.run(after(sends, size))
    assert answers == [Receipt(send.message.id, None, 3) for send in sends]
    assert [row[:2] for row in rows[3:]] == [(send.message.id, group) for send in sends for group in GROUPS]


def test_what_is_published_counts_for_each_of_its_queues() -> None:
    async def check() -> None:
        async with opened(None, *FAN, Queue("alone")) as driver:
            for batch in ([by("e", "order.1")], [by("e", "order.1"), to("alone")], [to("alone")], [by("e", "x")]):
                await driver.publish(batch)
            found = await table(
                driver, "SELECT q.name, c.value FROM queue q JOIN counter c ON c.name = 'published:' || q.id"
            )
            assert dict(found) == {"g1": 2, "g2": 2, "g3": 2, "alone": 2}
            counters = await driver.counters()
            assert (counters["published"], counters["unrouted"]) == (8, 1)

    asyncio.run(check())


def test_each_queue_keeps_its_own_record_of_ids() -> None:
    """A group that came later gets what the others had; those do not get it twice."""

    async def check() -> None:
        async with opened(None, *FAN, Queue("late")) as driver:
            again = by("e", "order.1", id="mine", dedupe=True)
            assert list(await driver.publish([again])) == [Receipt("mine", None, 3)]
            await driver.apply([*await driver.plan(await bound(driver))])
            assert list(await driver.publish([again, again])) == [Receipt("mine", None, 1), Receipt("mine", "mine", 4)]
            assert {depth.queue: depth.ready for depth in await driver.queues()} == dict.fromkeys([*GROUPS, "late"], 1)
            assert await counted(driver, "duplicates") == 1

    async def bound(driver: SqliteDriver) -> Any:
        there = await driver.topology()
        return type(there)(there.queues, there.exchanges, (*there.bindings, Binding("e", "late", "#")))

    asyncio.run(check())


@pytest.mark.parametrize("body", [b'{"a": "\xc3\xa4"}', b"\xff\x00"])
def test_the_record_of_what_went_to_nobody_is_whole(body: bytes) -> None:
    async def check() -> None:
        clock = [1000.0]
        async with opened(None, Exchange("e"), clock=lambda: clock[0]) as driver:
            sent = by("e", "a.b", body=body, id="lost", headers={"h": "v"})
            assert list(await driver.publish([sent])) == [Receipt("lost", None, 0)]
            (record,) = await driver.get("unrouted", ["lost"])
            told = json.loads(record.value)
            kept = told.pop("body")
            assert (base64.b64decode(kept) if told.pop("encoding", "") == "base64" else kept.encode()) == body
            assert told == {"exchange": "e", "routing_key": "a.b", "headers": {"h": "v"}, "at": 1000.0}
            assert record.expires_at == 1000.0 + 86400
            clock[0] = record.expires_at
            assert not await driver.get("unrouted", ["lost"])

    asyncio.run(check())


def test_what_is_refused_leaves_the_rest_of_its_batch_alone() -> None:
    async def check() -> None:
        async with opened(None, *FAN) as driver:
            sends = [
                by("e", "order.1"),
                by("ee", "order.1"),
                to("g"),
                Send(Address("x", "e"), message(), mandatory=True),
                to("g1"),
            ]
            answers = await driver.publish(sends)
            assert [answer.kind if isinstance(answer, Refused) else answer.routed for answer in answers] == [
                3, "unroutable", "unroutable", "unroutable", 1,
            ]  # fmt: skip
            assert "did you mean 'e'?" in getattr(answers[1], "reason", "")
            assert [depth.ready for depth in await driver.queues()] == [2, 1, 1]
            assert await counted(driver, "unrouted") == 0

    asyncio.run(check())


PUBLISHER = """
import random, sys
from postroad.drivers.sqlite.driver import SqliteDriver
from tests.drivers.support import by
driver = SqliteDriver(sys.argv[1])
driver.open()
choice = random.Random(int(sys.argv[2]))
for number in range(10**9):
    count = choice.choice([1, 1, 1, 7, 150])
    driver.publish_wait([by("e", "order.new", id=f"{sys.argv[2]}-{number}-{each}") for each in range(count)])
    print("sent", flush=True)
"""
PARTS = """
SELECT m.id, count(*), count(DISTINCT m.queue), count(r.seq) FROM message m LEFT JOIN ready r ON r.seq = m.seq GROUP BY m.id
"""
PUBLISHED = """
SELECT c.value, (SELECT count(*) FROM ready r WHERE r.queue = q.id) FROM queue q
JOIN counter c ON c.name = 'published:' || q.id
"""


@pytest.mark.slow
def test_a_killed_process_leaves_every_fan_out_whole_or_not_at_all(tmp_path: Path) -> None:
    file = tmp_path / "engine.db"
    choice = random.Random(11)

    async def check() -> None:
        async with opened(file, *FAN) as driver:
            for number in range(KILLS):
                publisher = process(PUBLISHER, file, number)
                try:
                    for _ in range(choice.randrange(5, 60)):
                        hears(publisher, "sent")  # then it goes on, and is killed in the middle of something
                finally:
                    killed([publisher])
                parts = await table(driver, PARTS)
                assert len(parts) > 10
                assert {tuple(part[1:]) for part in parts} == {(3, 3, 3)}
                assert all(count == there for count, there in await table(driver, PUBLISHED))

    asyncio.run(check())

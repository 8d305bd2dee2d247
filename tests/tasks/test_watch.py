"""Waiting for ends, and reading where a task stands, on a memory that the test moves."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import pytest

from postroad.core.delivery import Attempt
from postroad.core.message import Message
from postroad.core.writes import Document, Write
from postroad.errors import EngineUnavailable, NotFound, ResultTimeout
from postroad.ports.driver import DeadLetterFilter, DeadLetterRecord, Located
from postroad.tasks.documents import ENCODE, StateDocument
from postroad.tasks.status import statuses
from postroad.tasks.watch import Watch


class Table:
    """A memory in two dictionaries. ``move`` tells who waits for a change."""

    def __init__(self) -> None:
        self.documents: dict[str, Document] = {}
        self.waiting: dict[str, Located] = {}
        self.letters: list[DeadLetterRecord] = []
        self.change = asyncio.Event()
        self.looks = 0
        self.broken: Exception | None = None

    def put(self, id: str, place: str = "ready", attempt: int = 1, history: tuple[Attempt, ...] = ()) -> None:
        self.waiting[id] = Located(id, "default", place, Message(id, b"", queued_at=5.0), attempt, 0, None, None, None, history)

    def end(self, id: str, state: str = "SUCCEEDED") -> None:
        self.waiting.pop(id, None)
        value = ENCODE(StateDocument("work", "default", state, 1, 5.0, 6.0, 7.0, "w", reason="r")).decode()
        self.documents[id] = Document("task", id, value, state)
        self.move()

    def move(self) -> None:
        self.change.set()
        self.change.clear()

    async def get(self, kind: str, keys: Sequence[str]) -> Sequence[Document]:
        self.looks += 1
        if self.broken is not None:
            raise self.broken
        return [self.documents[key] for key in keys if key in self.documents] if kind == "task" else []

    async def changed(self, timeout_s: float) -> None:
        try:
            await asyncio.wait_for(self.change.wait(), timeout_s)
        except TimeoutError:
            return

    async def locate(self, ids: Sequence[str]) -> Sequence[Located]:
        return [self.waiting[id] for id in ids if id in self.waiting]

    async def dead_letters(
        self, which: DeadLetterFilter, limit: int, before: int | None = None
    ) -> Sequence[DeadLetterRecord]:
        return [letter for letter in self.letters if letter.message.id == which.id]

    async def cancel(self, ids: Sequence[str], reason: str, writes: Sequence[Write] = ()) -> Sequence[str]:
        return ()


def watch_of(table: Table) -> Watch:
    async def memory() -> Table:
        return table

    return Watch(memory)


async def under_way(watch: Watch, count: int) -> None:
    """Until that many ids are waited for, and the first look is over."""
    async with asyncio.timeout(5):
        while len(watch.waiting) < count or watch.task is None:  # noqa: ASYNC110 (no event tells of it)
            await asyncio.sleep(0)


async def test_an_end_that_is_there_needs_no_wait() -> None:
    table = Table()
    table.end("a")
    assert (await watch_of(table).ended(["a", "a"]))["a"].state == "SUCCEEDED"
    assert table.looks == 1


async def test_a_change_wakes_who_waits() -> None:
    table = Table()
    table.put("a")
    table.put("b")
    watch = watch_of(table)
    waits = asyncio.create_task(watch.ended(["a", "b"])), asyncio.create_task(watch.ended(["a"]))
    await under_way(watch, 2)
    started = time.monotonic()
    table.end("a")
    assert list(await waits[1]) == ["a"]
    assert time.monotonic() - started < 0.5, "by the change, not by the poll behind it"
    table.end("b", "FAILED")
    found = await waits[0]
    assert [found["a"].state, found["b"].state] == ["SUCCEEDED", "FAILED"]
    assert not watch.waiting


async def test_a_lost_change_is_found_by_the_poll(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("postroad.tasks.watch.POLL_S", 0.05)
    table = Table()
    table.put("a")
    watch = watch_of(table)
    wait = asyncio.create_task(watch.ended(["a"], 5))
    await under_way(watch, 1)
    table.move = lambda: None  # type: ignore[method-assign]
    table.end("a")
    assert (await wait)["a"].state == "SUCCEEDED"


async def test_one_look_serves_everybody() -> None:
    table = Table()
    ids = [f"id-{number}" for number in range(200)]
    for id in ids:
        table.put(id)
    watch = watch_of(table)
    waits = [asyncio.create_task(watch.ended([id])) for id in ids]
    await under_way(watch, 200)
    for id in ids:
        table.end(id)
    before = table.looks
    await asyncio.gather(*waits)
    assert table.looks - before < 20


async def test_the_timeout() -> None:
    table = Table()
    table.put("a")
    watch = watch_of(table)
    with pytest.raises(ResultTimeout, match=r"has not ended after 0\.01 s; it goes on"):
        await watch.ended(["a"], 0.01)
    assert not watch.waiting
    with pytest.raises(ResultTimeout):
        await watch.ended(["a"], 0)


async def test_an_id_nobody_knows() -> None:
    table = Table()
    with pytest.raises(NotFound, match="There is no task a"):
        await watch_of(table).ended(["a"])


async def test_an_id_that_vanishes_while_somebody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("postroad.tasks.watch.VERIFY_S", 0.0)
    table = Table()
    table.put("a")
    watch = watch_of(table)
    wait = asyncio.create_task(watch.ended(["a"], 5))
    await under_way(watch, 1)
    del table.waiting["a"]
    table.move()
    with pytest.raises(NotFound):
        await wait


async def test_trouble_of_the_engine_reaches_who_waits() -> None:
    table = Table()
    table.put("a")
    watch = watch_of(table)
    wait = asyncio.create_task(watch.ended(["a"], 5))
    await under_way(watch, 1)
    table.broken = EngineUnavailable("gone")
    table.move()
    with pytest.raises(EngineUnavailable):
        await wait


async def test_a_dead_letter_is_the_end_of_a_task_nobody_knew() -> None:
    table = Table()
    last = Attempt("error", "ValueError", "no", "trace", 3.0, 4.0)
    message = Message("a", b"", headers={"postroad-task": "shop.gone"}, queued_at=1.0)
    table.letters.append(DeadLetterRecord(1, "default", message, "no worker knows it", "X", "f", 9.0, 2, 0, "w", (last,)))
    found = (await watch_of(table).ended(["a"]))["a"]
    assert (found.state, found.task, found.reason, found.error_type) == ("DEAD", "shop.gone", "no worker knows it", "ValueError")
    assert (await statuses(table, ["a"]))["a"].state == "DEAD"


@pytest.mark.parametrize(
    ("place", "attempt", "state"),
    [
        ("ready", 1, "PENDING"),
        ("held", 1, "PENDING"),
        ("delayed", 1, "SCHEDULED"),
        ("running", 1, "RUNNING"),
        ("running", 2, "RUNNING"),
        ("ready", 2, "RETRYING"),
        ("delayed", 2, "RETRYING"),
    ],
)
async def test_states_of_places(place: str, attempt: int, state: str) -> None:
    table = Table()
    table.put("a", place, attempt, (Attempt("error", "ValueError", "no"),) if attempt > 1 else ())
    status = (await statuses(table, ["a", "nobody"]))["a"]
    assert (status.state, status.attempt) == (state, attempt)
    assert status.error == ("ValueError: no" if attempt > 1 else None)
    assert status.queued_at.timestamp() == 5.0


async def test_states_of_ends() -> None:
    table = Table()
    table.end("a", "DROPPED")
    status = (await statuses(table, ["a"]))["a"]
    assert (status.state, status.error, status.worker) == ("DROPPED", "r", "w")
    assert status.started_at is not None
    assert status.finished_at is not None
    assert (status.started_at.timestamp(), status.finished_at.timestamp()) == (6.0, 7.0)

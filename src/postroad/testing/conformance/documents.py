"""The store: documents by kind and key, changed all or nothing."""

from __future__ import annotations

import asyncio
import time

from postroad.core.writes import Absent, Committed, Condition, Conflict, Delete, Document, Put, Tagged, Write
from postroad.testing.conformance.check import promise
from postroad.testing.conformance.desk import DEADLINE_S, Desk, sit
from postroad.testing.conformance.engine import Engine

check = promise("documents")


async def put(desk: Desk, *keys: str, tag: str = "", kind: str = "a") -> None:
    assert isinstance(await desk.store.commit([Put(kind, key, f'"{key}"', tag) for key in keys]), Committed)


@check("documents")
async def what_is_written_is_read(engine: Engine) -> None:
    far = time.time() + 1_000.5
    written = [
        Put("a", "1", '{"x": [1, "\u20ac", "\\u0000"]}', "DONE", far),
        Put("a", "2'\u20ac", "null"),
        Put("b", "1", '"' + "x" * 300_000 + '"'),
    ]
    async with sit(engine) as desk:
        assert isinstance(await desk.store.commit(written), Committed)
        found = [*await desk.store.get("a", ["1", "2'\u20ac", "nobody"]), *await desk.store.get("b", ["1"])]
        expected = [Document(each.kind, each.key, each.value, each.tag, each.expires_at) for each in written]
        assert sorted(found, key=lambda each: (each.kind, each.key)) == expected
        assert list(await desk.store.get("a", [])) == []


@check("documents", "kept")
async def documents_survive_reopening(engine: Engine) -> None:
    async with sit(engine) as desk:
        await put(desk, "1")
    async with sit(engine) as desk:
        assert set(await desk.documents("a", "1")) == {"1"}


@check("documents")
async def the_last_write_counts_within_one_commit_and_after(engine: Engine) -> None:
    async with sit(engine) as desk:
        writes: list[Write] = [Put("a", "1", "1"), Put("a", "1", "2"), Put("a", "2", "1"), Delete("a", "2")]
        await desk.store.commit([*writes, Delete("a", "3"), Put("a", "3", "9")])
        found = await desk.documents("a", "1", "2", "3")
        assert {key: each.value for key, each in found.items()} == {"1": "2", "3": "9"}
        await desk.store.commit([Put("a", "1", "3", "NEW"), Delete("a", "3"), Delete("a", "nobody")])
        found = await desk.documents("a", "1", "2", "3")
        assert {key: (each.value, each.tag) for key, each in found.items()} == {"1": ("3", "NEW")}


@check("documents")
async def a_condition_that_does_not_hold_leaves_everything_as_it_was(engine: Engine) -> None:
    async with sit(engine) as desk:
        await put(desk, "1", tag="OPEN")
        conditions: list[Condition] = [
            Absent("a", "1"), Tagged("a", "1", ("DONE", "")), Tagged("a", "2", ("OPEN",)), Tagged("a", "1", ()),
        ]  # fmt: skip
        for condition in conditions:
            answer = await desk.store.commit([Put("a", "1", "9"), Put("a", "2", "9")], [Absent("b", "1"), condition])
            assert answer == Conflict(condition)
        found = await desk.documents("a", "1", "2")
        assert {key: each.value for key, each in found.items()} == {"1": '"1"'}


@check("documents")
async def conditions_that_hold_let_the_writes_through(engine: Engine) -> None:
    async with sit(engine) as desk:
        await put(desk, "1", tag="OPEN")
        conditions: list[Condition] = [Tagged("a", "1", ("NEW", "OPEN")), Absent("a", "2"), Absent("b", "1")]
        assert isinstance(await desk.store.commit([Put("a", "1", "9", "DONE")], conditions), Committed)
        assert (await desk.documents("a", "1"))["1"].tag == "DONE"


@check("documents")
async def an_expired_document_is_not_there(engine: Engine) -> None:
    async with sit(engine) as desk:
        soon = time.time() + 0.25
        await desk.store.commit([Put("a", "1", "1", "T", soon), Put("a", "2", "2", "T")])
        assert set(await desk.documents("a", "1", "2")) == {"1", "2"}
        while time.time() < soon:
            await desk.nothing(soon - time.time())
        assert set(await desk.documents("a", "1", "2")) == {"2"}
        assert [each.key for each in await desk.store.scan("a")] == ["2"]


@check("documents")
async def an_expired_document_is_absent_for_a_condition_too(engine: Engine) -> None:
    async with sit(engine) as desk:
        await desk.store.commit([Put("a", "1", "1", "T", time.time() - 1)])
        condition = Tagged("a", "1", ("T",))
        assert await desk.store.commit([], [condition]) == Conflict(condition)
        assert isinstance(await desk.store.commit([Put("a", "1", "2")], [Absent("a", "1")]), Committed)
        assert (await desk.documents("a", "1"))["1"].value == "2"


@check("documents")
async def a_scan_goes_from_the_newest_key_down(engine: Engine) -> None:
    keys = [f"{number:03d}" for number in range(25)]
    async with sit(engine) as desk:
        await put(desk, *reversed(keys[::2]), tag="EVEN")
        await put(desk, *keys[1::2], tag="ODD")
        await put(desk, "999", kind="b")
        assert [each.key for each in await desk.store.scan("a")] == keys[::-1]
        assert [each.key for each in await desk.store.scan("a", limit=3)] == ["024", "023", "022"]
        assert [each.key for each in await desk.store.scan("a", before="022", limit=3)] == ["021", "020", "019"]
        assert [each.key for each in await desk.store.scan("a", tag="ODD", before="010", limit=2)] == ["009", "007"]
        assert list(await desk.store.scan("a", tag="NONE")) == []
        assert list(await desk.store.scan("nothing")) == []


@check("documents")
async def kinds_do_not_mix(engine: Engine) -> None:
    async with sit(engine) as desk:
        await put(desk, "1", kind="a")
        await put(desk, "1", tag="T", kind="ab")
        await desk.store.commit([Delete("a", "1")])
        assert set(await desk.documents("ab", "1")) == {"1"}
        assert not await desk.documents("a", "1")


@check("documents")
async def who_waits_for_a_change_is_told(engine: Engine) -> None:
    async with sit(engine) as desk:
        waiting = asyncio.ensure_future(desk.store.changed(DEADLINE_S))
        await asyncio.sleep(0)
        before = time.monotonic()
        await put(desk, "1")
        await waiting
        assert time.monotonic() - before < DEADLINE_S / 4


@check("documents", "shared")
async def who_waits_for_a_change_elsewhere_is_told(engine: Engine) -> None:
    async with sit(engine) as desk, sit(engine) as other:
        waiting = asyncio.ensure_future(desk.store.changed(DEADLINE_S))
        await asyncio.sleep(0)
        before = time.monotonic()
        await put(other, "1")
        await waiting
        assert time.monotonic() - before < DEADLINE_S / 4
        assert set(await desk.documents("a", "1")) == {"1"}


@check("documents")
async def a_wait_for_a_change_ends(engine: Engine) -> None:
    async with sit(engine) as desk:
        await asyncio.wait_for(desk.store.changed(0.05), DEADLINE_S)


@check("documents")
async def the_store_tells_the_time(engine: Engine) -> None:
    async with sit(engine) as desk:
        assert abs(desk.store.now() - time.time()) < 60

"""Dead letters of the embedded engine: chosen, redriven, edited, taken in, deleted, and told of."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from postroad.core.delivery import ATTEMPTS_KEPT, Attempt
from postroad.core.message import BODY_BYTES_MAX, Message, Receipt, Unique
from postroad.core.outcome import Reject, Release
from postroad.core.routing import DEAD_LETTERS
from postroad.core.topology import Binding, Exchange, Queue, Thing
from postroad.drivers.sqlite import inspection
from postroad.drivers.sqlite.driver import SqliteDriver
from postroad.errors import InvalidOption, NotFound, TooLarge, Unserialisable
from postroad.ports.driver import DeadLetterFilter, DeadLetterRecord, Redriven, Subscription
from postroad.testing.conformance.desk import Desk, Ear, bodies, message, numbered, sit
from postroad.testing.conformance.durable import BODIES
from postroad.testing.conformance.engine import FOLLOWERS, QUEUE, Engine, establish

Play = Callable[[Coroutine[Any, Any, None]], None]

ALL = DeadLetterFilter()
ORIGINAL = "dead-letter-original"
HOUR_S = 3600.0


class Clock:
    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def at(folder: Path, clock: Clock, *things: Thing, queue: str = QUEUE) -> AsyncIterator[Desk]:
    """A desk whose engine goes by this clock."""
    async with SqliteDriver(str(folder / "engine.db"), clock=clock) as driver:
        declared = {thing.name for thing in things if isinstance(thing, Queue)}
        await establish(driver, *things, *(Queue(name) for name in {QUEUE, queue} - declared))
        consumer = await driver.consume(Subscription((queue,)), Ear())
        yield Desk(driver, consumer, (queue,))
        await consumer.close()


async def kill(desk: Desk, *sent: Message, reason: str = "no", kind: str = "OSError") -> None:
    await desk.send(*sent)
    taken = await desk.take(len(sent))
    await desk.end(*taken, outcome=Reject(reason, Attempt("error", kind, reason, "", 1.0, 2.0, "w")))


async def letters(desk: Desk, which: DeadLetterFilter = ALL) -> list[DeadLetterRecord]:
    """Oldest first."""
    return list(await desk.looking.dead_letters(which, 1000))[::-1]


async def left(desk: Desk, which: DeadLetterFilter = ALL) -> list[int]:
    return [int(letter.message.body) for letter in await letters(desk, which)]


# Choosing


def test_they_are_chosen_by_task_reason_and_time(tmp_path: Path, play: Play) -> None:
    async def scene() -> None:
        clock = Clock()
        start = clock.now
        async with at(tmp_path, clock) as desk:
            for number, (task, reason) in enumerate(
                [("a.b", "disk full"), ("a", "disc"), ("a.b", "full 50%"), ("", "_")]
            ):
                clock.now = start + number
                headers = {"postroad-task": task} if task else {"postroad-tas": "a.b"}
                await kill(desk, message(b"%d" % number, headers=headers), reason=reason)
            choices = {
                DeadLetterFilter(task="a.b"): [0, 2],
                DeadLetterFilter(task="a"): [1],
                DeadLetterFilter(task="' OR 1=1 --"): [],
                DeadLetterFilter(reason="full"): [0, 2],
                DeadLetterFilter(reason="50%"): [2],
                DeadLetterFilter(reason="_"): [3],
                DeadLetterFilter(reason=""): [0, 1, 2, 3],
                DeadLetterFilter(since=start + 1): [1, 2, 3],
                DeadLetterFilter(until=start + 1): [0],
                DeadLetterFilter(since=start + 1, until=start + 3): [1, 2],
                DeadLetterFilter(task="a.b", reason="disk", until=start + 9): [0],
            }
            for which, expected in choices.items():
                assert await left(desk, which) == expected, which
                assert await desk.looking.count_dead(which) == len(expected), which
            await desk.operating.delete_dead(DeadLetterFilter(reason="full"), 10)
            assert await left(desk) == [1, 3]

    play(scene())


# Redriving


def test_as_many_go_as_fit_and_the_others_are_not_held_up(engine: Engine, play: Play) -> None:
    """Letters of a full queue stay, in their order; those of another queue behind them go all the same."""
    few = Queue("few", max_length=2, overflow="drop_oldest")

    async def scene() -> None:
        async with sit(engine, "few", QUEUE, declares=[few]) as desk:
            for number in range(4):
                await desk.send(message(b"%d" % number), queue="few")
                await desk.end(await desk.take_one(), outcome=Reject("no"))
            await desk.send(message(b"7"), queue=QUEUE)
            await desk.end(await desk.take_one(), outcome=Reject("no"))
            redriven = await desk.operating.redrive(ALL, 100)
            assert redriven.count == 3
            assert "'few' is full" in redriven.refused and "2 messages" in redriven.refused
            assert await left(desk) == [2, 3]
            assert await desk.operating.redrive(ALL, 100) == Redriven(0, redriven.refused)
            assert sorted(bodies(await desk.take(3))) == [0, 1, 7]
            assert await desk.operating.redrive(ALL, 100) == Redriven(2)

    play(scene())


def test_the_limit_counts_those_that_go(engine: Engine, play: Play) -> None:
    async def scene() -> None:
        async with sit(engine, "few", QUEUE, declares=[Queue("few", max_length=1, overflow="block")]) as desk:
            for number in range(6):
                queue = "few" if number < 3 else QUEUE
                await desk.send(message(b"%d" % number), queue=queue)
                await desk.end(await desk.take_one(), outcome=Reject("no"))
            assert (await desk.operating.redrive(ALL, 3)).count == 3
            assert await left(desk) == [1, 2, 5]

    play(scene())


def test_a_rate_spreads_them_over_time_and_goes_on_from_call_to_call(tmp_path: Path, play: Play) -> None:
    async def scene() -> None:
        clock = Clock()
        async with at(tmp_path, clock) as desk:
            await kill(desk, *numbered(6))
            for count in (2, 3):
                assert await desk.operating.redrive(ALL, count, rate_per_s=2.0) == Redriven(count)
            assert (await desk.depth()).delayed == 5
            came = []
            for _half_second in range(6):
                came.append(bodies((await desk.consumer.turn((), 10, 0)).deliveries))
                clock.now += 0.5
            assert came == [[0], [1], [2], [3], [4], []]
            assert await desk.operating.redrive(ALL, 9, rate_per_s=2.0) == Redriven(1)
            assert bodies((await desk.consumer.turn((), 10, 0)).deliveries) == [5]
            for rate in (0.0, -1.0, float("nan")):
                with pytest.raises(InvalidOption):
                    await desk.operating.redrive(ALL, 9, rate_per_s=rate)

    play(scene())


def test_a_key_keeps_its_order_at_a_rate_too(tmp_path: Path, play: Play) -> None:
    async def scene() -> None:
        clock = Clock()
        async with at(tmp_path, clock) as desk:
            for sent in numbered(4, key="k"):
                await kill(desk, sent)
            await desk.operating.redrive(ALL, 10, rate_per_s=10.0)
            clock.now += 60
            for number in range(4):
                (delivery,) = (await desk.consumer.turn((), 10, 0)).deliveries
                assert bodies([delivery]) == [number]
                await desk.end(delivery)

    play(scene())


def test_time_of_expiry_is_over_and_the_queues_own_counts_anew(tmp_path: Path, play: Play) -> None:
    async def scene() -> None:
        clock = Clock()
        things = [Queue("brief", ttl_s=60.0)]
        for queue, expected in ((QUEUE, None), ("brief", 60.0)):
            async with at(tmp_path, clock, *things, queue=queue) as desk:
                await kill(desk, message(expires_at=clock.now + 5, queued_at=clock.now))
                clock.now += HOUR_S
                assert await desk.operating.redrive(ALL, 10) == Redriven(1)
                expires_at = (await desk.take_one()).message.expires_at
                assert expires_at == (None if expected is None else pytest.approx(clock.now + expected))

    play(scene())


def test_a_second_death_is_seen(engine: Engine, play: Play) -> None:
    async def scene() -> None:
        async with sit(engine) as desk:
            await kill(desk, message(b"1"), reason="first", kind="ValueError")
            assert [letter.deaths for letter in await letters(desk)] == [1]
            for deaths in (2, 3):
                await desk.operating.redrive(ALL, 1)
                for _ in range(ATTEMPTS_KEPT):
                    again = Release(0, counted=True, attempt=Attempt("error", "OSError", "again"))
                    await desk.end(await desk.take_one(), outcome=again)
                await desk.end(await desk.take_one(), outcome=Reject("last", Attempt("error", "OSError", "last")))
                (letter,) = await letters(desk)
                assert letter.deaths == deaths
                assert len(letter.history) == ATTEMPTS_KEPT
            redriven = [entry for entry in letter.history if entry.kind == "redriven"]
            assert [(entry.error_type, entry.error) for entry in redriven] == [
                ("ValueError", "first"),
                ("OSError", "last"),
            ]
            assert all(entry.ended_at > entry.started_at > 0 for entry in redriven)

    play(scene())


def test_a_unique_key_is_taken_again(engine: Engine, play: Play) -> None:
    """Free while the message is dead; taken when it waits again, unless another one has it by then."""

    async def scene() -> None:
        async with sit(engine) as desk:
            first, second, third = (message(unique=Unique("u")) for _ in range(3))
            await kill(desk, first)
            await desk.operating.redrive(ALL, 1)
            assert await desk.send(second) == [Receipt(second.id, duplicate_of=first.id)]
            await desk.end(await desk.take_one(), outcome=Reject("no"))
            assert await desk.send(third) == [Receipt(third.id)]
            assert await desk.operating.redrive(ALL, 1) == Redriven(1)
            await desk.end(*await desk.take(2))
            assert await desk.send(second) == [Receipt(second.id)]

    play(scene())


def test_a_queue_that_is_deleted_leaves_no_originals(engine: Engine, play: Play) -> None:
    async def scene() -> None:
        async with sit(engine) as desk:
            await establish(desk.driver, Queue("gone"))
            await kill(desk, message(b"1"))
            (letter,) = await letters(desk)
            moved = msgspec.structs.replace(letter, source="gone")
            assert await desk.operating.import_dead([moved]) == 1
            (here, there) = await letters(desk)
            for each in (here, there):
                await desk.operating.edit_dead(each.number, b"2", None)
            await desk.operating.delete_queue("gone")
            assert set(await desk.documents(ORIGINAL, str(here.number), str(there.number))) == {str(here.number)}
            assert [each.number for each in await letters(desk)] == [here.number]

    play(scene())


# Editing


@pytest.mark.parametrize("body", BODIES)
def test_an_edited_letter_is_redriven_as_edited(engine: Engine, play: Play, body: bytes) -> None:
    """Whatever the body: as JSON or as bytes it comes back as it was given."""

    async def scene() -> None:
        async with sit(engine) as desk:
            sent = message(b"\xffnot json", headers={"a": "1"}, key="k", priority=7)
            await kill(desk, sent)
            (letter,) = await letters(desk)
            assert not letter.edited
            edited = await desk.operating.edit_dead(letter.number, body, {"b": "\u20ac", "": ""})
            expected = msgspec.structs.replace(sent, body=body, headers={"b": "\u20ac", "": ""})
            assert (edited.message, edited.edited, edited.deaths) == (expected, True, 1)
            assert [entry.kind for entry in edited.history] == ["error", "edited"]
            assert edited.history[-1].error == "body and headers changed"
            assert [edited] == await letters(desk)
            assert await desk.operating.redrive(ALL, 1) == Redriven(1)
            assert (await desk.take_one()).message == expected

    play(scene())


def test_the_original_is_kept_while_the_letter_is(engine: Engine, play: Play) -> None:
    async def scene() -> None:
        async with sit(engine) as desk:
            await kill(desk, *(message(b"\xff%d" % n, headers={"n": str(n)}) for n in range(3)))
            numbers = [letter.number for letter in await letters(desk)]
            keys = list(map(str, numbers))
            for number in numbers:
                await desk.operating.edit_dead(number, b"1", None)
                await desk.operating.edit_dead(number, b"2", {})
            originals = await desk.documents(ORIGINAL, *keys)
            kept = [msgspec.json.decode(originals[key].value) for key in keys]
            assert [(each["body"], each["headers"]) for each in kept] == [
                ("/zA=", {"n": "0"}), ("/zE=", {"n": "1"}), ("/zI=", {"n": "2"}),
            ]  # fmt: skip
            await desk.operating.delete_dead(DeadLetterFilter(number=numbers[0]), 1)
            await desk.operating.redrive(DeadLetterFilter(number=numbers[1]), 1)
            assert set(await desk.documents(ORIGINAL, *keys)) == {keys[2]}

    play(scene())


def test_what_cannot_be_edited(engine: Engine, play: Play) -> None:
    async def scene() -> None:
        async with sit(engine) as desk:
            await kill(desk, message(b"1", headers={"a": "b"}))
            (letter,) = await letters(desk)
            with pytest.raises(NotFound, match=f"no dead letter {letter.number + 1}"):
                await desk.operating.edit_dead(letter.number + 1, b"2", None)
            with pytest.raises(TooLarge):
                await desk.operating.edit_dead(letter.number, bytes(BODY_BYTES_MAX + 1), None)
            with pytest.raises(Unserialisable):
                await desk.operating.edit_dead(letter.number, None, {"a": 1})  # type: ignore[dict-item]
            for body, headers in ((None, None), (b"1", None), (None, {"a": "b"})):
                assert await desk.operating.edit_dead(letter.number, body, headers) == letter
            assert await letters(desk) == [letter]
            assert not await desk.documents(ORIGINAL, str(letter.number))

    play(scene())


# Taking in


def test_exported_ones_are_taken_in_elsewhere_once(tmp_path: Path, play: Play) -> None:
    async def scene() -> None:
        clock = Clock()
        clock.now += 0.123456789
        exported: Sequence[DeadLetterRecord] = ()
        (tmp_path / "a").mkdir()
        async with at(tmp_path / "a", clock) as desk:
            for body in BODIES:
                clock.now += 0.01
                await kill(desk, message(body, headers={"\u20ac": "'"}, key="k", priority=2, track=True))
            await desk.operating.edit_dead((await letters(desk))[0].number, b"9", None)
            exported = await desk.looking.dead_letters(ALL, 1000)
            assert await desk.operating.import_dead(exported) == 0
        (tmp_path / "b").mkdir()
        async with at(tmp_path / "b", clock) as desk:
            by_json = msgspec.json.decode(msgspec.json.encode(exported), type=list[DeadLetterRecord])
            await kill(desk, message(b"0"))
            assert await desk.operating.import_dead(by_json[:2] + by_json[:2]) == 2
            assert await desk.operating.import_dead(by_json) == len(BODIES) - 2
            assert await desk.operating.import_dead(by_json) == 0
            there = (await letters(desk))[1:]
            assert len({letter.number for letter in there}) == len(BODIES)
            by_id = {letter.message.id: msgspec.structs.replace(letter, number=0) for letter in there}
            assert by_id == {each.message.id: msgspec.structs.replace(each, number=0) for each in exported}

    play(scene())


def test_newest_first_or_not_a_key_comes_in_its_order(engine: Engine, play: Play) -> None:
    async def scene() -> None:
        async with sit(engine) as desk:
            await kill(desk, *numbered(1, key="k"))
            for sent in numbered(6, key="k")[1:]:
                await kill(desk, sent)
            exported = await desk.looking.dead_letters(ALL, 100)
            await desk.operating.delete_dead(ALL, 100)
            assert await desk.operating.import_dead(exported) == 6
            assert await left(desk) == list(range(6))

    play(scene())


def test_an_unknown_source_takes_in_none(engine: Engine, play: Play) -> None:
    async def scene() -> None:
        async with sit(engine) as desk:
            await kill(desk, message(b"1"))
            (letter,) = await letters(desk)
            await desk.operating.delete_dead(ALL, 1)
            stranger = msgspec.structs.replace(letter, source="wrok", died_at=letter.died_at + 1)
            with pytest.raises(NotFound, match="did you mean 'work'"):
                await desk.operating.import_dead([letter, stranger])
            assert await letters(desk) == []
            assert await desk.operating.import_dead([]) == 0

    play(scene())


# Telling


def told_of(*sources: str) -> list[Thing]:
    return [
        Queue("dead-letters.all"),
        Queue("mine"),
        Exchange(DEAD_LETTERS),
        *(Binding(DEAD_LETTERS, "dead-letters.all", source) for source in sources),
    ]


async def notices(desk: Desk, queue: str = "dead-letters.all") -> list[DeadLetterRecord]:
    waiting = await desk.looking.peek(queue, 100)
    return [msgspec.json.decode(each.message.body, type=DeadLetterRecord) for each in waiting]


def test_what_is_told_of_is_bound_to(engine: Engine, play: Play) -> None:
    async def scene() -> None:
        async with sit(engine, QUEUE, FOLLOWERS, declares=told_of(FOLLOWERS)) as desk:
            await kill(desk, *numbered(2))
            assert await notices(desk) == []
            await desk.send(*numbered(3), queue=FOLLOWERS)
            await desk.end(*await desk.take(3), outcome=Reject("no"))
            assert await notices(desk) == await letters(desk, DeadLetterFilter(source=FOLLOWERS))

    play(scene())


def test_a_notice_that_dies_elsewhere_tells_nobody_either(engine: Engine, play: Play) -> None:
    """Bound to a queue of any name: a handler that always fails does not go round for ever."""

    async def scene() -> None:
        things = [*told_of("#"), Binding(DEAD_LETTERS, "mine", "#")]
        async with sit(engine, QUEUE, "mine", declares=things) as desk:
            await kill(desk, message(b"1"))
            notice = await desk.take_one()
            assert notice.source == "mine"
            await desk.end(notice, outcome=Reject("no"))
            assert [letter.source for letter in await letters(desk)] == [QUEUE, "mine"]
            assert len(await notices(desk)) == 1
            assert await notices(desk, "mine") == []

    play(scene())


def test_letters_taken_in_tell_nobody(engine: Engine, play: Play) -> None:
    async def scene() -> None:
        async with sit(engine, declares=told_of("#")) as desk:
            await kill(desk, message(b"1"))
            (letter,) = await letters(desk)
            await desk.operating.delete_dead(ALL, 1)
            await desk.operating.import_dead([letter])
            assert len(await notices(desk)) == 1

    play(scene())


# Looking costs little


def test_depths_are_counted_by_indexes(tmp_path: Path, play: Play) -> None:
    """Neither delayed messages nor dead letters are gone through whole for each queue."""

    async def scene() -> None:
        async with SqliteDriver(str(tmp_path / "engine.db")) as driver:
            plan = await driver.read(lambda session: session.rows(f"EXPLAIN QUERY PLAN {inspection.DEPTHS}"))
        steps = [str(row[3]) for row in plan]
        assert {step.split()[1] for step in steps if step.startswith("SCAN")} <= {"leased", "q", "p"}, steps
        for table in ("d", "r", "f"):
            assert any(step.startswith(f"SEARCH {table} USING") for step in steps), steps

    play(scene())

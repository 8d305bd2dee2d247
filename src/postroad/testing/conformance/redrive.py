"""7. Dead letters: chosen, edited, sent again, carried elsewhere and back."""

from __future__ import annotations

import base64
import time
from itertools import pairwise

import msgspec

from postroad.core.delivery import ATTEMPTS_KEPT, Delivery
from postroad.core.message import Message
from postroad.core.outcome import Reject, Release
from postroad.core.topology import Queue
from postroad.core.writes import Put
from postroad.errors import NotFound
from postroad.ports.driver import DeadLetterFilter, DeadLetterRecord, Redriven
from postroad.testing.conformance.check import promise
from postroad.testing.conformance.dead_letters import ALL, failure, kill, letters
from postroad.testing.conformance.desk import Desk, as_sent, at_once, beside, bodies, message, numbered, sit
from postroad.testing.conformance.durable import BODIES
from postroad.testing.conformance.engine import Engine

check = promise("7 redrive")

NEEDS = ("dead letters", "operating")
ORIGINAL = "dead-letter-original"


async def dead(desk: Desk, sent: Message, reason: str = "no") -> DeadLetterRecord:
    """The letter of this message, dead just now."""
    await desk.send(sent)
    await desk.end(await desk.take_one(), outcome=Reject(reason, failure()))
    return (await letters(desk))[-1]


async def again(desk: Desk, number: int) -> Delivery:
    """That letter, redriven and taken."""
    assert await desk.operating.redrive(DeadLetterFilter(number=number), 10) == Redriven(1)
    return await desk.take_one()


# Choosing


@check("dead letters")
async def they_are_chosen_by_task_reason_and_time(engine: Engine) -> None:
    async with sit(engine) as desk:
        await dead(desk, message(b"0", headers={"postroad-task": "shop.resize"}), "disk full at 17%")
        second = await dead(desk, message(b"1", headers={"postroad-task": "shop.resize"}), "disk full")
        third = await dead(desk, message(b"2", headers={"postroad-task": "shop.mail"}), "Disk gone")
        choices = {
            DeadLetterFilter(task="shop.resize"): [0, 1],
            DeadLetterFilter(task="shop"): [],
            DeadLetterFilter(reason="disk full"): [0, 1],
            DeadLetterFilter(reason="17%"): [0],
            DeadLetterFilter(reason="_isk"): [],
            DeadLetterFilter(since=second.died_at): [1, 2],
            DeadLetterFilter(until=second.died_at): [0],
            DeadLetterFilter(since=second.died_at, until=third.died_at): [1],
            DeadLetterFilter(since=third.died_at + 60): [],
            DeadLetterFilter(task="shop.resize", reason="full", since=second.died_at): [1],
        }
        for which, expected in choices.items():
            found = [int(letter.message.body) for letter in await letters(desk, which)]
            assert found == expected, which
            assert await desk.looking.count_dead(which) == len(expected), which


@check(*NEEDS)
async def what_is_chosen_is_what_is_acted_on(engine: Engine) -> None:
    async with sit(engine) as desk:
        for number in range(6):
            await dead(desk, message(b"%d" % number), "odd" if number % 2 else "even")
        assert await desk.operating.redrive(DeadLetterFilter(reason="odd"), 2) == Redriven(2)
        assert bodies(await desk.take(2)) == [1, 3]
        assert await desk.operating.delete_dead(DeadLetterFilter(reason="even"), 100) == 3
        assert [int(letter.message.body) for letter in await letters(desk)] == [5]


# Editing


@check(*NEEDS, "documents")
async def an_edited_letter_goes_out_as_edited(engine: Engine) -> None:
    sent = message(b"\xff\0 wrong", headers={"a": "1", "b": "2"}, key="k", priority=7, track=True)
    async with sit(engine) as desk:
        letter = await dead(desk, sent)
        assert not letter.edited
        edited = await desk.operating.edit_dead(letter.number, b'{"right": 1}', {"a": "1", "c": "3"})
        assert (edited.number, edited.edited, edited.deaths) == (letter.number, True, 1)
        assert (edited.message.body, edited.message.headers) == (b'{"right": 1}', {"a": "1", "c": "3"})
        assert (edited.reason, edited.error_type, edited.died_at) == (letter.reason, letter.error_type, letter.died_at)
        assert await letters(desk) == [edited]
        expected = msgspec.structs.replace(sent, body=b'{"right": 1}', headers={"a": "1", "c": "3"})
        assert as_sent(await again(desk, letter.number)) == expected


@check(*NEEDS)
async def what_is_not_named_is_not_edited(engine: Engine) -> None:
    async with sit(engine) as desk:
        letter = await dead(desk, message(b"body", headers={"a": "1"}))
        first = await desk.operating.edit_dead(letter.number, b"other", None)
        assert (first.message.body, first.message.headers) == (b"other", {"a": "1"})
        second = await desk.operating.edit_dead(letter.number, None, {})
        assert (second.message.body, second.message.headers) == (b"other", {})
        kinds = [attempt.kind for attempt in second.history]
        assert kinds == ["error", "edited", "edited"]
        assert all(attempt.error for attempt in second.history[1:]), "it says what was changed"


@check(*NEEDS, "documents")
async def what_a_letter_was_before_is_kept_while_it_is_there(engine: Engine) -> None:
    async with sit(engine) as desk:
        first, second = [await dead(desk, message(b"\xff original %d" % n)) for n in range(2)]
        for letter in (first, second):
            for body in (b"edited", b"and again"):
                await desk.operating.edit_dead(letter.number, body, None)
            document = (await desk.documents(ORIGINAL, str(letter.number)))[str(letter.number)]
            assert base64.b64encode(letter.message.body).decode() in document.value
        await desk.end(await again(desk, first.number))
        assert await desk.operating.delete_dead(DeadLetterFilter(number=second.number), 1) == 1
        assert not await desk.documents(ORIGINAL, str(first.number), str(second.number))


@check(*NEEDS)
async def an_edited_letter_that_dies_again_says_both(engine: Engine) -> None:
    async with sit(engine) as desk:
        letter = await dead(desk, message(b"1"))
        await desk.operating.edit_dead(letter.number, b"2", None)
        await desk.end(await again(desk, letter.number), outcome=Reject("still wrong", failure(text="still")))
        (second,) = await letters(desk)
        assert (second.deaths, second.edited, second.message.body) == (2, True, b"2")
        assert [attempt.kind for attempt in second.history] == ["error", "edited", "redriven", "error"]


@check(*NEEDS, "kept")
async def an_edit_is_kept(engine: Engine) -> None:
    async with sit(engine) as desk:
        letter = await dead(desk, message(b"1"))
        edited = await desk.operating.edit_dead(letter.number, b"2", None)
    async with sit(engine) as desk:
        assert await letters(desk) == [edited]


@check(*NEEDS)
async def a_letter_that_is_not_there_is_not_edited(engine: Engine) -> None:
    async with sit(engine) as desk:
        try:
            await desk.operating.edit_dead(4711, b"1", None)
        except NotFound as error:
            assert "4711" in str(error)
        else:
            raise AssertionError("a letter that is not there was edited")


# Redriving


@check(*NEEDS)
async def every_death_is_counted(engine: Engine) -> None:
    async with sit(engine) as desk:
        letter = await dead(desk, message(b"1", track=True))
        assert letter.deaths == 1
        for deaths in (2, 3):
            delivery = await again(desk, letter.number)
            assert (delivery.attempt, delivery.crashes) == (1, 0)
            await desk.end(delivery, outcome=Reject("again", failure(text=str(deaths))))
            (letter,) = await letters(desk)
            assert letter.deaths == deaths
        assert [attempt.kind for attempt in letter.history] == ["error", "redriven"] * 2 + ["error"]


@check(*NEEDS, "looking")
async def a_rate_spreads_them(engine: Engine) -> None:
    async with sit(engine) as desk:
        await kill(desk, *numbered(5))
        now = time.time()
        assert await desk.operating.redrive(ALL, 100, rate_per_s=0.1) == Redriven(5)
        found = await desk.looking.peek(desk.queue, 10)
        assert [int(each.message.body) for each in found] == list(range(5))
        due = [each.due_at or now for each in found]
        gaps = [later - earlier for earlier, later in pairwise(due)]
        assert all(9 < gap < 11 for gap in gaps), gaps
        assert due[0] <= now + 11


@check(*NEEDS, "looking")
async def a_high_rate_is_no_delay_to_speak_of(engine: Engine) -> None:
    async with sit(engine) as desk:
        await kill(desk, *numbered(10))
        assert await desk.operating.redrive(ALL, 100, rate_per_s=1000) == Redriven(10)
        assert bodies(await desk.take(10)) == list(range(10))


@check(*NEEDS, "reject", "block")
async def what_its_queue_does_not_take_stays_a_dead_letter(engine: Engine) -> None:
    for overflow in ("reject", "block"):
        name = f"few-{overflow}"
        few = Queue(name, max_length=3, overflow=overflow)
        async with sit(engine, name, declares=[few]) as desk:
            for sent in numbered(5):
                await dead(desk, sent)
            await desk.send(message(b"9"))
            before = await letters(desk, DeadLetterFilter(source=name))
            redriven = await desk.operating.redrive(DeadLetterFilter(source=name), 100)
            assert redriven.count == 2
            assert name in redriven.refused
            assert await letters(desk, DeadLetterFilter(source=name)) == before[2:]
            assert await desk.operating.redrive(DeadLetterFilter(source=name), 0) == Redriven(0)
            assert bodies(await desk.take(3)) == [9, 0, 1]
            assert (await desk.operating.redrive(DeadLetterFilter(source=name), 2)).count == 2
            assert bodies(await desk.take(2)) == [2, 3]


@check(*NEEDS, "reject")
async def one_full_queue_does_not_hold_up_another(engine: Engine) -> None:
    few = Queue("few", max_length=1, overflow="reject")
    async with sit(engine, "few", declares=[few]) as desk, beside(desk.driver, "wide") as other:
        for n in (0, 2):
            await kill(desk, message(b"%d" % n))
            await kill(other, message(b"%d" % (n + 1)))
        redriven = await desk.operating.redrive(ALL, 100)
        assert "few" in redriven.refused
        left = [int(letter.message.body) for letter in await letters(desk)]
        assert redriven.count == 4 - len(left)
        assert 2 in left and 0 not in left


@check(*NEEDS, "drop_oldest")
async def a_queue_that_drops_its_oldest_takes_a_redriven_one(engine: Engine) -> None:
    """Whoever makes room is a letter: nothing is lost, and nothing is more than once there."""
    few = Queue("few", max_length=2, overflow="drop_oldest")
    async with sit(engine, "few", declares=[few]) as desk:
        await kill(desk, *numbered(2))
        await desk.send(message(b"2"), message(b"3"))
        await desk.operating.redrive(ALL, 100)
        waiting = bodies(await desk.take(2))
        assert sorted([*waiting, *(int(letter.message.body) for letter in await letters(desk))]) == [0, 1, 2, 3]


@check(*NEEDS, "documents")
async def documents_about_a_redriven_message_go(engine: Engine) -> None:
    async with sit(engine) as desk:
        letter = await dead(desk, message(b"1"))
        await desk.store.commit([Put("task", letter.message.id, "{}", "DEAD"), Put("other", letter.message.id, "{}")])
        await again(desk, letter.number)
        assert not await desk.documents("task", letter.message.id)
        assert await desk.documents("other", letter.message.id)


@check(*NEEDS, "processes")
async def who_is_killed_while_redriving_leaves_each_in_one_place(engine: Engine) -> None:
    async with sit(engine) as desk:
        await kill(desk, *numbered(400))
        async with await engine.actor("redrive") as actor:
            told = [int(line) for line in await actor.lines(8)]
            told += [int(line) for line in await actor.kill()]
        left = [int(letter.message.body) for letter in await letters(desk)]
        waiting = bodies(await desk.take(400 - len(left)))
        await desk.nothing(0)
        assert [*waiting, *left] == list(range(400))
        assert sum(told) <= len(waiting) <= sum(told) + 10


@check(*NEEDS, "shared")
async def two_that_redrive_at_once_redrive_each_once(engine: Engine) -> None:
    async with sit(engine) as one, sit(engine) as other:
        await kill(one, *numbered(60))
        answers = await at_once(*(desk.operating.redrive(ALL, 10) for desk in (one, other) * 4))
        assert sum(answer.count for answer in answers) == 60
        assert sorted(bodies(await one.take(60))) == list(range(60))
        await other.nothing(0)


# Export and import


@check(*NEEDS)
async def what_was_exported_is_taken_in_again_to_the_byte(engine: Engine) -> None:
    sent = [
        message(body, headers={"n": str(n), "\u20ac": "'"}, key=f"k{n}", priority=n % 10)
        for n, body in enumerate(BODIES)
    ]
    async with sit(engine) as desk:
        await kill(desk, *sent)
        first = (await letters(desk))[0]
        await desk.operating.edit_dead(first.number, b"edited", None)
        exported = await letters(desk)
        lines = [msgspec.json.encode(letter) for letter in exported]
        assert await desk.operating.delete_dead(ALL, 1000) == len(sent)
        records = [msgspec.json.decode(line, type=DeadLetterRecord) for line in lines]
        assert await desk.operating.import_dead(records) == len(sent)
        found = await letters(desk)
        numbers = [letter.number for letter in found]
        assert [msgspec.structs.replace(each, number=0) for each in found] == [
            msgspec.structs.replace(each, number=0) for each in exported
        ]
        assert min(numbers) > max(each.number for each in exported)
        assert await desk.operating.redrive(ALL, 1000) == Redriven(len(sent))
        arrived = {each.message.id: each.message.body for each in await desk.take(len(sent))}
        assert arrived == {each.message.id: each.message.body for each in exported}


@check(*NEEDS)
async def what_is_there_is_not_taken_in_twice(engine: Engine) -> None:
    async with sit(engine) as desk:
        await kill(desk, *numbered(3))
        exported = await letters(desk)
        assert await desk.operating.import_dead(exported) == 0
        await desk.operating.delete_dead(DeadLetterFilter(number=exported[1].number), 1)
        assert await desk.operating.import_dead([*exported, *exported]) == 1
        assert await desk.operating.import_dead(exported) == 0
        assert sorted(int(letter.message.body) for letter in await letters(desk)) == [0, 1, 2]


@check(*NEEDS)
async def letters_of_an_unknown_source_are_not_taken_in_and_none_beside_them(engine: Engine) -> None:
    async with sit(engine) as desk:
        await kill(desk, *numbered(2))
        known, other = await letters(desk)
        await desk.operating.delete_dead(ALL, 10)
        try:
            await desk.operating.import_dead([known, msgspec.structs.replace(other, source="wrok")])
        except NotFound as error:
            assert "wrok" in str(error)
        else:
            raise AssertionError("letters of a queue that is not there were taken in")
        assert await letters(desk) == []
        assert await desk.operating.import_dead([]) == 0


@check(*NEEDS, "release")
async def a_second_death_is_seen_however_often_it_was_tried(engine: Engine) -> None:
    """A letter keeps its last attempts; that it was redriven and edited is kept beside them."""
    async with sit(engine) as desk:
        letter = await dead(desk, message(b"1"))
        await desk.operating.edit_dead(letter.number, b"2", None)
        await again_and_again(desk, letter.number, ATTEMPTS_KEPT + 3)
        (second,) = await letters(desk)
        assert (second.deaths, second.edited) == (2, True)
        assert len(second.history) <= ATTEMPTS_KEPT


async def again_and_again(desk: Desk, number: int, runs: int) -> None:
    """Redriven, it fails so many times before it dies."""
    delivery = await again(desk, number)
    for run in range(runs - 1):
        await desk.end(delivery, outcome=Release(0, counted=True, attempt=failure(text=str(run))))
        delivery = await desk.take_one()
    await desk.end(delivery, outcome=Reject("again", failure()))

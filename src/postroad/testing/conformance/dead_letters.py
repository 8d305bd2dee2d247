"""7. Dead letters are whole, can be looked at without changing anything, and can be sent again."""

from __future__ import annotations

import time

from postroad.core.delivery import ATTEMPTS_KEPT, Attempt, Delivery
from postroad.core.message import Message
from postroad.core.outcome import Reject, Release
from postroad.ports.driver import DeadLetterFilter, DeadLetterRecord, Redriven
from postroad.testing.conformance.check import promise
from postroad.testing.conformance.desk import Desk, as_sent, beside, bodies, message, numbered, sit
from postroad.testing.conformance.durable import BODIES
from postroad.testing.conformance.engine import FOLLOWERS, Engine

check = promise("7 dead letters")

ALL = DeadLetterFilter()


def failure(kind: str = "OSError", text: str = "no", worker: str = "w1") -> Attempt:
    return Attempt("error", kind, text, "Traceback \u20ac", 10.0, 11.0, worker)


async def kill(desk: Desk, *sent: Message, kind: str = "OSError", text: str = "no") -> list[Delivery]:
    """Send them, take them, reject them."""
    await desk.send(*sent)
    taken = await desk.take(len(sent))
    await desk.end(*taken, outcome=Reject(f"{kind}: {text}", failure(kind, text)))
    return taken


async def letters(desk: Desk, which: DeadLetterFilter = ALL, limit: int = 1000) -> list[DeadLetterRecord]:
    """Oldest first."""
    return list(await desk.looking.dead_letters(which, limit))[::-1]


@check("dead letters")
async def a_dead_letter_has_its_message_to_the_byte(engine: Engine) -> None:
    sent = [
        message(body, headers={"n": str(n), "\u20ac": "'"}, key=f"k{n}", priority=n % 10, content_type="a/b", track=True)
        for n, body in enumerate(BODIES)
    ]
    async with sit(engine) as desk:
        await kill(desk, *sent)
        found = {letter.message.id: letter.message for letter in await letters(desk)}
        assert [found[each.id] for each in sent] == sent
        assert await desk.looking.count_dead(ALL) == len(sent)


@check("dead letters")
async def a_dead_letter_says_why_where_and_when(engine: Engine) -> None:
    async with sit(engine) as desk:
        await desk.send(message(b"1"))
        for n in range(2):
            await desk.end(await desk.take_one(), outcome=Release(0, counted=True, attempt=failure(text=str(n))))
        before = time.time()
        await desk.end(await desk.take_one(), outcome=Reject("gave up", failure("ValueError", "2", "w7")))
        letter = (await letters(desk))[0]
        assert (letter.source, letter.reason, letter.error_type) == (desk.queue, "gave up", "ValueError")
        assert (letter.attempt, letter.crashes, letter.worker) == (3, 0, "w7")
        assert [(each.error_type, each.error) for each in letter.history] == [
            ("OSError", "0"), ("OSError", "1"), ("ValueError", "2"),
        ]  # fmt: skip
        assert letter.history[-1] == failure("ValueError", "2", "w7")
        assert before - 1 <= letter.died_at <= time.time() + 1
        assert (await desk.depth()).dead == 1


@check("dead letters")
async def a_dead_letter_keeps_the_last_attempts(engine: Engine) -> None:
    async with sit(engine) as desk:
        await desk.send(message(b"1"))
        total = ATTEMPTS_KEPT + 5
        for n in range(total - 1):
            await desk.end(await desk.take_one(), outcome=Release(0, counted=True, attempt=failure(text=str(n))))
        await desk.end(await desk.take_one(), outcome=Reject("no", failure(text=str(total - 1))))
        letter = (await letters(desk))[0]
        assert letter.attempt == total
        assert [each.error for each in letter.history] == [str(n) for n in range(total - ATTEMPTS_KEPT, total)]


@check("dead letters")
async def a_reject_without_an_attempt_is_a_dead_letter_too(engine: Engine) -> None:
    async with sit(engine) as desk:
        await desk.send(message(b"1"))
        await desk.end(await desk.take_one(), outcome=Reject("just so"))
        letter = (await letters(desk))[0]
        assert (letter.reason, letter.message.body, letter.history) == ("just so", b"1", ())


@check("dead letters", "kept")
async def dead_letters_are_kept(engine: Engine) -> None:
    async with sit(engine) as desk:
        await kill(desk, *numbered(3))
        before = await letters(desk)
    async with sit(engine) as desk:
        assert await letters(desk) == before


@check("dead letters", "looking")
async def looking_at_them_changes_nothing(engine: Engine) -> None:
    async with sit(engine) as desk:
        await kill(desk, *numbered(4))
        before, depth = await letters(desk), await desk.depth()
        assert [await letters(desk) for _ in range(3)] == [before] * 3
        assert await desk.depth() == depth
        await desk.nothing(0)


@check("dead letters")
async def they_are_listed_page_by_page_newest_first(engine: Engine) -> None:
    async with sit(engine) as desk:
        for sent in numbered(7):
            await kill(desk, sent)
        page = await desk.looking.dead_letters(ALL, 3)
        assert [letter.message.body for letter in page] == [b"6", b"5", b"4"]
        rest = await desk.looking.dead_letters(ALL, 10, page[-1].number)
        assert [letter.message.body for letter in rest] == [b"3", b"2", b"1", b"0"]
        assert len({letter.number for letter in [*page, *rest]}) == 7


@check("dead letters")
async def they_are_chosen_by_every_field(engine: Engine) -> None:
    async with sit(engine) as desk, beside(desk.driver, FOLLOWERS) as other:
        await kill(desk, *numbered(2), kind="OSError")
        await kill(desk, message(b"2"), kind="ValueError")
        await kill(other, message(b"3"), kind="ValueError")
        found = await letters(desk)
        one = found[0]
        choices = {
            DeadLetterFilter(source=FOLLOWERS): [3],
            DeadLetterFilter(error_type="ValueError"): [2, 3],
            DeadLetterFilter(error_type="ValueError", source=desk.queue): [2],
            DeadLetterFilter(number=one.number): [int(one.message.body)],
            DeadLetterFilter(id=found[2].message.id): [2],
            DeadLetterFilter(fingerprint=one.fingerprint): [0, 1],
            DeadLetterFilter(fingerprint=one.fingerprint[:6]): [0, 1],
            DeadLetterFilter(fingerprint="%"): [],
            DeadLetterFilter(id="nobody"): [],
        }
        for which, expected in choices.items():
            assert [int(letter.message.body) for letter in await letters(desk, which)] == expected, which
            assert await desk.looking.count_dead(which) == len(expected), which


@check("dead letters", "operating")
async def redriven_ones_start_anew_with_their_bytes(engine: Engine) -> None:
    async with sit(engine) as desk:
        sent = [message(body, headers={"a": "b"}, priority=3, track=True) for body in BODIES]
        await desk.send(*sent)
        for delivery in await desk.take(len(sent)):
            await desk.end(delivery, outcome=Release(0, counted=True, attempt=failure()))
        await desk.end(*await desk.take(len(sent)), outcome=Reject("no", failure()))
        assert await desk.operating.redrive(ALL, 1000) == Redriven(len(sent))
        assert await desk.looking.count_dead(ALL) == 0
        again = await desk.take(len(sent))
        assert [as_sent(each) for each in again] == sent
        assert {(each.attempt, each.crashes, each.suspect) for each in again} == {(1, 0, False)}
        await desk.end(*again)
        await desk.empty()


@check("dead letters", "operating")
async def redrive_takes_the_chosen_oldest_first_up_to_the_limit(engine: Engine) -> None:
    async with sit(engine) as desk:
        for n, number in enumerate(numbered(6)):
            await kill(desk, number, kind="OSError" if n % 2 else "ValueError")
        assert await desk.operating.redrive(DeadLetterFilter(error_type="OSError"), 2) == Redriven(2)
        assert bodies(await desk.take(2)) == [1, 3]
        await desk.nothing(0)
        assert [int(letter.message.body) for letter in await letters(desk)] == [0, 2, 4, 5]


@check("dead letters", "operating")
async def redriving_none_is_nothing(engine: Engine) -> None:
    async with sit(engine) as desk:
        assert await desk.operating.redrive(ALL, 100) == Redriven(0)
        await kill(desk, message(b"1"))
        assert await desk.operating.redrive(ALL, 0) == Redriven(0)
        assert await desk.operating.redrive(DeadLetterFilter(id="nobody"), 10) == Redriven(0)
        await desk.nothing(0)
        assert await desk.looking.count_dead(ALL) == 1


@check("dead letters", "operating")
async def a_redriven_message_that_dies_again_is_one_letter_with_its_whole_story(engine: Engine) -> None:
    async with sit(engine) as desk:
        await kill(desk, message(b"1"), text="first")
        await desk.operating.redrive(ALL, 1)
        await desk.end(await desk.take_one(), outcome=Reject("again", failure(text="second")))
        found = await letters(desk)
        assert [letter.reason for letter in found] == ["again"]
        assert [each.error for each in found[0].history if each.kind == "error"] == ["first", "second"]


@check("dead letters", "operating", "lanes")
async def redriven_ones_of_a_key_keep_their_order_and_come_one_at_a_time(engine: Engine) -> None:
    async with sit(engine) as desk:
        for sent in numbered(3, key="a"):
            await kill(desk, sent)
        await desk.send(message(b"3", key="a"))
        held = await desk.take_one()
        assert await desk.operating.redrive(ALL, 10) == Redriven(3)
        await desk.nothing(0)
        await desk.end(held)
        for number in range(3):
            delivery = await desk.take_one()
            assert bodies([delivery]) == [number]
            await desk.nothing(0)
            await desk.end(delivery)


@check("dead letters", "operating")
async def deleted_ones_are_gone(engine: Engine) -> None:
    async with sit(engine) as desk:
        for sent in numbered(5):
            await kill(desk, sent)
        assert await desk.operating.delete_dead(ALL, 2) == 2
        assert [int(letter.message.body) for letter in await letters(desk)] == [2, 3, 4]
        assert await desk.operating.delete_dead(ALL, 100) == 3
        await desk.nothing(0)
        await desk.empty()


@check("dead letters")
async def alike_failures_have_one_fingerprint_and_others_another(engine: Engine) -> None:
    async with sit(engine) as desk:
        await kill(desk, message(b"0"), text="cannot open file 17")
        await kill(desk, message(b"1"), text="cannot open file 4711")
        await kill(desk, message(b"2"), text="disk full")
        await kill(desk, message(b"3"), kind="ValueError", text="cannot open file 17")
        prints = [letter.fingerprint for letter in await letters(desk)]
        assert prints[0] == prints[1]
        assert len(set(prints)) == 3

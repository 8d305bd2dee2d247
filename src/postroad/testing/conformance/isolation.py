"""Callers at the same time: what is done together does not mix, and one's error is not another's."""

from __future__ import annotations

import asyncio
from typing import Any

from postroad.core.message import Receipt, Refused
from postroad.core.writes import Absent, Committed, Conflict, Put
from postroad.errors import PostroadError
from postroad.ports.driver import DeadLetterFilter, Redriven
from postroad.testing.conformance.check import promise
from postroad.testing.conformance.desk import Desk, at_once, beside, bodies, message, send, settlement, sit
from postroad.testing.conformance.engine import Engine

check = promise("isolation")


@check()
async def a_bad_operation_does_not_hurt_its_neighbours(engine: Engine) -> None:
    """Half of a character in a key is what no engine can carry: its batch fails, and only its batch."""
    async with sit(engine) as desk:
        good = [desk.send(message(b"%d" % number)) for number in range(40)]
        bad = [desk.send(message(b"99", key="\ud800"), message(b"98")) for _ in range(3)]
        mixed = [*good[:20], bad[0], *good[20:30], bad[1], bad[2], *good[30:]]
        answers = await asyncio.gather(*mixed, return_exceptions=True)
        failed = [answer for answer in answers if isinstance(answer, BaseException)]
        assert len(failed) == 3
        assert all(isinstance(answer[0], Receipt) for answer in answers if not isinstance(answer, BaseException))
        assert sorted(bodies(await desk.take(40))) == list(range(40))
        await desk.nothing(0)


@check()
async def an_engine_works_on_after_an_error(engine: Engine) -> None:
    async with sit(engine) as desk:
        for _ in range(3):
            await asyncio.gather(desk.send(message(key="\ud800")), return_exceptions=True)
            await desk.send(message(b"1"))
        assert bodies(await desk.take(3)) == [1, 1, 1]


@check("operating", "documents")
async def each_caller_has_its_own_answer(engine: Engine) -> None:
    async with sit(engine) as desk, beside(desk.driver) as other:
        await other.send(message(b"7"))
        held = await other.take_one()
        answers = await asyncio.gather(
            desk.send(message(b"1")),
            desk.store.commit([Put("a", "1", "{}")], [Absent("a", "1")]),
            desk.operating.purge("nowhere"),
            desk.store.commit([Put("a", "1", "[]")], [Absent("a", "1")]),
            desk.send(message(b"2"), queue="nowhere"),
            desk.operating.redrive(DeadLetterFilter(), 5),
            other.settle(settlement(held)),
            return_exceptions=True,
        )
        assert isinstance(answers[0], list) and isinstance(answers[0][0], Receipt)
        assert isinstance(answers[1], Committed)
        assert isinstance(answers[2], PostroadError)
        assert isinstance(answers[3], Conflict)
        assert isinstance(answers[4], list) and isinstance(answers[4][0], Refused)
        assert answers[5] == Redriven(0)
        assert list(answers[6]) == []  # type: ignore[arg-type]


@check("documents", "shared")
async def of_many_that_claim_one_document_one_gets_it(engine: Engine) -> None:
    async with sit(engine) as one, sit(engine) as other:
        claims = [
            desk.store.commit([Put("lock", "a", f'"{n}"')], [Absent("lock", "a")])
            for n, desk in enumerate((one, other) * 25)
        ]
        answers = await at_once(*claims)
        winners = [n for n, answer in enumerate(answers) if isinstance(answer, Committed)]
        assert len(winners) == 1
        assert (await one.documents("lock", "a"))["a"].value == f'"{winners[0]}"'


@check("shared")
async def writers_of_two_drivers_lose_nothing(engine: Engine) -> None:
    async with sit(engine) as one, sit(engine) as other:
        await at_once(*(publish_all(desk, range(start, 400, 2)) for desk, start in ((one, 0), (other, 1))))
        assert sorted(bodies(await one.take(400))) == list(range(400))


async def publish_all(desk: Desk, numbers: range) -> None:
    for number in numbers:
        await desk.send(message(b"%d" % number))


@check("shared")
async def a_driver_that_closes_leaves_the_others_open(engine: Engine) -> None:
    async with sit(engine) as desk:
        async with sit(engine) as other:
            await other.send(message(b"1"))
        await desk.send(message(b"2"))
        assert bodies(await desk.take(2)) == [1, 2]


@check("kept")
async def what_was_asked_before_the_close_is_done(engine: Engine) -> None:
    async with engine.driver() as driver:
        async with beside(driver) as desk:
            pass
        asked: list[Any] = [asyncio.ensure_future(desk.send(message(b"%d" % number))) for number in range(50)]
        await asyncio.sleep(0)
    answers = await asyncio.gather(*asked)
    assert all(isinstance(answer[0], Receipt) for answer in answers)
    async with sit(engine) as again:
        assert bodies(await again.take(50)) == list(range(50))


@check()
async def a_closed_engine_says_so(engine: Engine) -> None:
    async with sit(engine) as desk:
        driver = desk.driver
    try:
        await driver.publish([send(message())])
    except PostroadError as error:
        assert "clos" in str(error) or "not open" in str(error)
    else:
        raise AssertionError("a closed engine took a message")

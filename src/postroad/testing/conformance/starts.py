"""3. A crash counts, and convicts the guilty: starts are what is counted, and suspects run alone."""

from __future__ import annotations

from collections.abc import Sequence

from postroad.core.delivery import ATTEMPTS_KEPT, Attempt, Delivery
from postroad.core.outcome import Release
from postroad.ports.driver import Seat
from postroad.testing.conformance.check import promise
from postroad.testing.conformance.desk import Desk, bodies, message, numbered, settlement, sit
from postroad.testing.conformance.engine import Engine

check = promise("3 starts")


async def crash(engine: Engine, desk: Desk, part: str = "hold", **options: int) -> int:
    """A child takes messages and dies; answers how many came back."""
    seat = desk.supervising.reserve(8)
    await die(engine, seat, part, options)
    return await desk.supervising.vacate(seat)


async def die(engine: Engine, seat: Seat | None, part: str, options: dict[str, int]) -> None:
    async with await engine.actor(part, seat=seat, **options) as child:
        assert (await child.line()).startswith("holding")
        await child.kill()


async def suspects(desk: Desk, count: int) -> list[Delivery]:
    return [await desk.take_one(alone=True) for _ in range(count)]


def counts(deliveries: Sequence[Delivery]) -> list[tuple[int, int, bool]]:
    """Number, crashes and whether it is suspect."""
    return [(int(each.message.body), each.crashes, each.suspect) for each in deliveries]


@check("processes", "starts")
async def what_ran_is_charged_and_the_rest_is_not(engine: Engine) -> None:
    async with sit(engine) as desk:
        await desk.send(*numbered(6))
        assert await crash(engine, desk, limit=6, running=2) == 6
        turn = await desk.consumer.turn((), 100, 5)
        assert counts(turn.deliveries) == [(2, 0, False), (3, 0, False), (4, 0, False), (5, 0, False)]
        assert {each.attempt for each in turn.deliveries} == {1}
        assert turn.suspects_waiting
        assert counts(await suspects(desk, 2)) == [(0, 1, True), (1, 1, True)]


@check("processes", "starts")
async def a_crash_leaves_a_record_and_uses_up_no_attempt(engine: Engine) -> None:
    async with sit(engine) as desk:
        await desk.send(message(b"1"))
        await crash(engine, desk, limit=1, running=1)
        delivery = await desk.take_one(alone=True)
        assert delivery.attempt == 1
        assert [attempt.kind for attempt in delivery.history] == ["crash"]
        assert delivery.history[0].ended_at > 0


@check("processes", "starts")
async def suspects_come_alone(engine: Engine) -> None:
    async with sit(engine) as desk:
        await desk.send(*numbered(4))
        await crash(engine, desk, limit=4, running=4)
        await desk.nothing(0)
        turn = await desk.consumer.turn((), 100, 1, alone=True)
        assert len(turn.deliveries) == 1
        assert turn.deliveries[0].suspect
        assert turn.deliveries[0].needs_begin


@check("processes", "starts")
async def suspects_do_not_hold_up_the_others(engine: Engine) -> None:
    async with sit(engine) as desk:
        await desk.send(message(b"0"))
        await crash(engine, desk, limit=1, running=1)
        await desk.send(*numbered(3)[1:])
        assert bodies(await desk.take(2)) == [1, 2]


@check("processes", "starts")
async def every_crash_counts_once(engine: Engine) -> None:
    async with sit(engine) as desk:
        await desk.send(message(b"1"))
        await crash(engine, desk, limit=1, running=1)
        for _ in range(3):
            assert await crash(engine, desk, "hold suspect") == 1
        delivery = await desk.take_one(alone=True)
        assert counts([delivery]) == [(1, 4, True)]


@check("processes", "starts")
async def a_suspect_that_was_not_begun_is_not_charged(engine: Engine) -> None:
    async with sit(engine) as desk:
        await desk.send(message(b"1"))
        await crash(engine, desk, limit=1, running=1)
        assert await crash(engine, desk, "hold suspect", begin=0) == 1
        assert counts(await suspects(desk, 1)) == [(1, 1, True)]


@check("processes", "starts")
async def a_suspect_that_is_begun_and_given_back_is_not_charged(engine: Engine) -> None:
    async with sit(engine) as desk:
        await desk.send(message(b"1"))
        await crash(engine, desk, limit=1, running=1)
        async with sit(engine) as other:
            begun = await other.consumer.begin([await other.take_one(alone=True)])
            assert begun[0].verdict == "run"
        assert counts(await suspects(desk, 1)) == [(1, 1, True)]


@check("processes", "starts", "looking")
async def a_suspect_that_survives_is_innocent(engine: Engine) -> None:
    async with sit(engine) as desk:
        await desk.send(*numbered(2))
        await crash(engine, desk, limit=2, running=2)
        first, second = await suspects(desk, 2)
        await desk.consumer.begin([first, second])
        record = Attempt("error", "OSError", "no")
        await desk.settle(settlement(first), settlement(second, Release(0, counted=True, attempt=record)))
        again = await desk.take_one()
        assert counts([again]) == [(1, 1, False)]
        assert again.attempt == 2
        assert [attempt.kind for attempt in again.history] == ["crash", "error"]
        await desk.end(again)
        await desk.empty()


@check("processes", "starts")
async def a_start_that_ended_is_not_charged(engine: Engine) -> None:
    """What the child accepted, and what it never started, is no suspect when it dies."""
    async with sit(engine) as desk:
        await desk.send(*numbered(3))
        seat = desk.supervising.reserve(4)
        async with await engine.actor("settle and hold", seat=seat) as child:
            await child.line()
            await child.kill()
        assert await desk.supervising.vacate(seat) == 2
        assert counts(await desk.take(2)) == [(1, 0, False), (2, 0, False)]


@check("processes", "starts", "starts can be lost")
async def when_nobody_survived_to_tell_all_are_suspects_and_none_is_charged(engine: Engine) -> None:
    async with sit(engine) as desk:
        await desk.send(*numbered(3))
        seat = desk.supervising.reserve(4)
        await die(engine, seat, "hold", {"limit": 3, "running": 1})
        engine.lose_starts()
        assert await desk.supervising.vacate(seat) == 3
        await desk.nothing(0)
        assert counts(await suspects(desk, 3)) == [(0, 0, True), (1, 0, True), (2, 0, True)]


@check("processes", "starts")
async def the_record_keeps_the_last_attempts_only(engine: Engine) -> None:
    async with sit(engine) as desk:
        await desk.send(message(b"1"))
        for number in range(ATTEMPTS_KEPT + 2):
            delivery = await desk.take_one()
            record = Attempt("error", "OSError", str(number))
            await desk.end(delivery, outcome=Release(0, counted=True, attempt=record))
        await crash(engine, desk, limit=1, running=1)
        history = (await desk.take_one(alone=True)).history
        assert len(history) == ATTEMPTS_KEPT
        assert [attempt.error for attempt in history[:-1]] == [str(n) for n in range(3, ATTEMPTS_KEPT + 2)]
        assert history[-1].kind == "crash"


@check("processes", "starts", "lanes")
async def a_keyed_suspect_keeps_the_head_of_its_lane(engine: Engine) -> None:
    async with sit(engine) as desk:
        await desk.send(*numbered(2, key="a"))
        await crash(engine, desk, limit=1, running=1)
        await desk.nothing()
        await desk.end(await desk.take_one(alone=True))
        assert bodies(await desk.take(1)) == [1]

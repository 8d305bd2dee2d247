"""2. At least once: a delivery ends only by its outcome, and what a dead process held comes back at once."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path

from postroad.core.outcome import ACCEPT, Release
from postroad.testing.conformance.check import promise
from postroad.testing.conformance.desk import (
    DEADLINE_S,
    Desk,
    at_once,
    beside,
    bodies,
    message,
    numbered,
    settlement,
    sit,
)
from postroad.testing.conformance.engine import Actor, Engine

check = promise("2 at least once")

AT_ONCE_S = 2.0


@check("looking")
async def a_delivery_is_held_until_it_is_settled(engine: Engine) -> None:
    async with sit(engine) as desk, beside(desk.driver) as other:
        await desk.send(*numbered(2))
        first, second = await desk.take(2)
        await other.nothing()
        await desk.end(first)
        assert (await desk.depth()).in_flight == 1
        await desk.end(second)
        await desk.empty()


@check("release")
async def what_is_released_comes_back(engine: Engine) -> None:
    async with sit(engine) as desk:
        await desk.send(message(b"7"))
        delivery = await desk.take_one()
        await desk.end(delivery, outcome=Release())
        again = await desk.take_one()
        assert again.message == delivery.message
        assert again.receipt != delivery.receipt
        await desk.end(again)
        await desk.nothing(0)


@check("release")
async def what_is_released_at_once_keeps_its_place(engine: Engine) -> None:
    async with sit(engine) as desk:
        await desk.send(*numbered(3))
        first = await desk.take_one()
        await desk.end(first, outcome=Release())
        assert bodies(await desk.take(3)) == [0, 1, 2]


@check()
async def a_turn_settles_and_takes_at_once(engine: Engine) -> None:
    async with sit(engine) as desk:
        await desk.send(*numbered(4))
        held = await desk.take(2)
        turn = await desk.consumer.turn([settlement(each) for each in held], 10, 5)
        assert bodies(turn.deliveries) == [2, 3]
        assert not turn.failures


@check()
async def a_limit_is_a_limit(engine: Engine) -> None:
    async with sit(engine) as desk:
        await desk.send(*numbered(10))
        assert bodies((await desk.consumer.turn((), 3, 1)).deliveries) == [0, 1, 2]
        assert not (await desk.consumer.turn((), 0, 0.1)).deliveries
        assert bodies((await desk.consumer.turn((), 100, 1)).deliveries) == list(range(3, 10))


@check()
async def a_waiting_turn_ends_when_a_message_comes(engine: Engine) -> None:
    async with sit(engine) as desk:
        waiting = asyncio.ensure_future(desk.consumer.turn((), 10, DEADLINE_S))
        await asyncio.sleep(0)
        before = time.monotonic()
        await desk.send(message(b"1"))
        assert bodies((await waiting).deliveries) == [1]
        assert time.monotonic() - before < AT_ONCE_S


@check("processes")
async def a_waiting_turn_ends_when_another_process_sends(engine: Engine) -> None:
    async with sit(engine) as desk:
        waiting = asyncio.ensure_future(desk.consumer.turn((), 1, DEADLINE_S))
        async with await engine.actor("produce") as actor:
            await actor.line()
            before = time.monotonic()
            assert bodies((await waiting).deliveries) == [0]
            assert time.monotonic() - before < AT_ONCE_S


@check()
async def a_waiting_turn_ends_when_interrupted(engine: Engine) -> None:
    async with sit(engine) as desk:
        waiting = asyncio.ensure_future(desk.consumer.turn((), 10, DEADLINE_S))
        await asyncio.sleep(0)
        before = time.monotonic()
        await asyncio.to_thread(desk.consumer.interrupt)
        assert not (await waiting).deliveries
        assert time.monotonic() - before < AT_ONCE_S


@check()
async def consumers_share_and_nothing_is_held_twice(engine: Engine) -> None:
    async with sit(engine) as desk, beside(desk.driver) as second, beside(desk.driver) as third:
        await desk.send(*numbered(300))
        taken = await at_once(*(drain(each) for each in (desk, second, third)))
        assert sorted(number for numbers in taken for number in numbers) == list(range(300))


async def drain(desk: Desk) -> list[int]:
    """Accept until nothing comes; the numbers, as handled."""
    handled: list[int] = []
    turn = await desk.consumer.turn((), 7, 0.2)
    while turn.deliveries:
        handled += bodies(turn.deliveries)
        turn = await desk.consumer.turn([settlement(each, ACCEPT) for each in turn.deliveries], 7, 0.2)
        if not turn.deliveries:
            turn = await desk.consumer.turn((), 7, 0.2)
    return handled


@check("processes", "shared")
async def processes_share_and_nothing_is_lost_or_held_twice(engine: Engine) -> None:
    async with sit(engine) as desk:
        await desk.send(*[message(b"%d" % (number * 7)) for number in range(200)])
        async with await engine.actor("work") as one, await engine.actor("work") as other:
            told = await told_until(200, one, other)
        assert sorted(told) == [number * 7 for number in range(200)]
        await desk.nothing()


async def told_until(count: int, *actors: Actor) -> list[int]:
    """The numbers that these workers ended, once they are this many."""
    ended: list[int] = []

    async def listen(actor: Actor) -> None:
        while len(ended) < count:
            words = (await actor.line()).split()
            if words[0] == "end" and words[-1] == "Accept":
                ended.append(int(words[2]))

    listening = [asyncio.ensure_future(listen(actor)) for actor in actors]
    async with asyncio.timeout(DEADLINE_S):
        await asyncio.wait(listening, return_when=asyncio.FIRST_COMPLETED)
    for each in listening:
        each.cancel()
    await asyncio.gather(*listening, return_exceptions=True)
    return ended


@check("processes", "holders seen")
async def what_a_killed_process_held_comes_back_at_once(engine: Engine) -> None:
    async with sit(engine) as desk:
        sent = numbered(8)
        await desk.send(*sent)
        async with await engine.actor("hold", limit=8) as actor:
            assert (await actor.line()).split()[1:] == [each.id for each in sent]
            assert await desk.supervising.sweep() == 0
            await desk.nothing(0)
            await actor.kill()
        before = time.monotonic()
        assert await desk.supervising.sweep() == 8
        assert bodies(await desk.take(8)) == list(range(8))
        assert time.monotonic() - before < AT_ONCE_S


@check("processes", "holders seen")
async def a_stopped_process_keeps_what_it_holds(engine: Engine) -> None:
    async with sit(engine) as desk:
        await desk.send(*numbered(3))
        async with await engine.actor("hold", limit=3) as actor:
            await actor.line()
            actor.process.send_signal(signal.SIGSTOP)
            assert await desk.supervising.sweep() == 0
            await desk.nothing(0)


@check("processes", "holders seen")
async def what_a_killed_child_held_is_vacated_once(engine: Engine) -> None:
    async with sit(engine) as desk:
        await desk.send(*numbered(5))
        seat = desk.supervising.reserve(4)
        async with await engine.actor("hold", seat=seat, limit=5) as child:
            await child.line()
            await child.kill()
        assert await desk.supervising.vacate(seat) == 5
        assert await desk.supervising.vacate(seat) == 0
        assert await desk.supervising.sweep() == 0
        assert bodies(await desk.take(5)) == list(range(5))
        await desk.nothing(0)


@check("processes", "holders seen", "shared")
async def several_that_sweep_take_back_once(engine: Engine) -> None:
    async with sit(engine) as desk, sit(engine) as other:
        await desk.send(*numbered(6))
        async with await engine.actor("hold", limit=6) as actor:
            await actor.line()
            await actor.kill()
        counts = await at_once(desk.supervising.sweep(), other.supervising.sweep(), desk.supervising.sweep())
        assert sum(counts) == 6, counts
        assert bodies(await desk.take(6)) == list(range(6))
        await desk.nothing(0)


@check("processes", "holders seen")
async def a_child_that_outlives_its_supervisor_is_not_robbed(engine: Engine) -> None:
    async with sit(engine) as desk:
        await desk.send(*numbered(4))
        async with await engine.actor("supervise", limit=4) as supervisor:
            child = int((await supervisor.line()).split()[1])
            assert (await supervisor.line()).startswith("holding")
            await supervisor.kill()
            try:
                assert await desk.supervising.sweep() == 0
                await desk.nothing(0)
            finally:
                os.kill(child, signal.SIGKILL)
        await gone(child)
        assert await desk.supervising.sweep() == 4
        assert bodies(await desk.take(4)) == list(range(4))


async def gone(pid: int) -> None:
    """Wait for the end of a process that is not our child."""
    deadline = time.monotonic() + DEADLINE_S
    while alive(pid):
        assert time.monotonic() < deadline, f"process {pid} does not end"
        await asyncio.sleep(0.005)


def alive(pid: int) -> bool:
    """Whether any of its threads runs: one that ended and waits for its parent to ask does not, nor holds locks."""
    try:
        os.kill(pid, 0)
        states = [path.read_text().rpartition(")")[2].split()[0] for path in Path(f"/proc/{pid}/task").glob("*/stat")]
    except (ProcessLookupError, FileNotFoundError):
        return False
    return not states or set(states) != {"Z"}


@check("kept")
async def what_was_held_when_the_engine_closed_is_not_lost(engine: Engine) -> None:
    async with engine.driver() as driver, beside(driver) as desk:
        await desk.send(*numbered(3))
        await desk.take(2)
    async with sit(engine) as desk:
        assert bodies(await desk.take(3)) == [0, 1, 2]

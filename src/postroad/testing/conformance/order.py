"""8. Order by key: messages of one key are handled one at a time, in the order they were sent."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict

from postroad.core.outcome import Reject, Release
from postroad.testing.conformance.check import promise
from postroad.testing.conformance.desk import DEADLINE_S, beside, bodies, message, numbered, send, settlement, sit
from postroad.testing.conformance.engine import FOLLOWERS, Actor, Engine

check = promise("8 order")


@check("lanes")
async def one_key_is_handled_one_at_a_time_in_order(engine: Engine) -> None:
    async with sit(engine) as desk, beside(desk.driver) as other:
        await desk.send(*numbered(6, key="a"))
        for number in range(6):
            taker, idle = (desk, other) if number % 2 else (other, desk)
            delivery = await taker.take_one()
            assert bodies([delivery]) == [number]
            await idle.nothing(0)
            await taker.end(delivery)
        await desk.nothing(0)


@check("lanes")
async def keys_do_not_wait_for_each_other(engine: Engine) -> None:
    async with sit(engine) as desk:
        await desk.send(*[message(b"%d" % n, key=f"k{n % 3}") for n in range(9)], message(b"9"))
        assert sorted(bodies(await desk.take(4))) == [0, 1, 2, 9]
        await desk.nothing(0)


@check("lanes")
async def a_key_is_one_queues_own(engine: Engine) -> None:
    async with sit(engine) as desk, beside(desk.driver, FOLLOWERS) as other:
        await desk.send(message(b"0", key="a"))
        await other.send(message(b"1", key="a"))
        assert bodies([await desk.take_one(), await other.take_one()]) == [0, 1]


@check("lanes")
async def a_key_sent_in_many_batches_is_one_lane(engine: Engine) -> None:
    async with sit(engine) as desk:
        for number in range(0, 12, 3):
            await desk.send(*[message(b"%d" % n, key="a") for n in range(number, number + 3)])
        handled = []
        for _ in range(12):
            delivery = await desk.take_one()
            handled += bodies([delivery])
            await desk.end(delivery)
        assert handled == list(range(12))


@check("lanes", "release", "delay")
async def a_lane_waits_through_a_retry(engine: Engine) -> None:
    async with sit(engine) as desk:
        await desk.send(*numbered(2, key="a"))
        before = time.monotonic()
        await desk.end(await desk.take_one(), outcome=Release(0.3, counted=True))
        again = await desk.take_one()
        assert time.monotonic() - before >= 0.29
        assert (bodies([again]), again.attempt) == ([0], 2)
        await desk.nothing(0)
        await desk.end(again)
        assert bodies(await desk.take(1)) == [1]


@check("lanes", "release")
async def a_lane_waits_through_a_release_at_once(engine: Engine) -> None:
    async with sit(engine) as desk:
        await desk.send(*numbered(2, key="a"))
        await desk.end(await desk.take_one(), outcome=Release())
        again = await desk.take_one()
        assert bodies([again]) == [0]
        await desk.nothing(0)


@check("lanes", "release", "delay")
async def a_lane_that_skips_goes_on_while_one_waits(engine: Engine) -> None:
    async with sit(engine) as desk:
        await desk.send(*numbered(3, key="a", order_skip=True))
        await desk.end(await desk.take_one(), outcome=Release(0.4, counted=True))
        second = await desk.take_one()
        assert bodies([second]) == [1]
        await desk.nothing(0.6)
        await desk.end(second)
        rest = []
        for _ in range(2):
            delivery = await desk.take_one()
            rest += bodies([delivery])
            await desk.nothing(0)
            await desk.end(delivery)
        assert sorted(rest) == [0, 2]


@check("lanes", "release")
async def one_that_skips_at_once_is_still_handled_one_at_a_time(engine: Engine) -> None:
    async with sit(engine) as desk:
        await desk.send(*numbered(3, key="a", order_skip=True))
        await desk.end(await desk.take_one(), outcome=Release(0, counted=True))
        seen = []
        for _ in range(3):
            delivery = await desk.take_one()
            seen += bodies([delivery])
            await desk.nothing(0)
            await desk.end(delivery)
        assert sorted(seen) == [0, 1, 2]


@check("lanes", "dead letters")
async def a_lane_goes_on_after_a_dead_letter(engine: Engine) -> None:
    async with sit(engine) as desk:
        await desk.send(*numbered(2, key="a"))
        await desk.end(await desk.take_one(), outcome=Reject("no"))
        assert bodies(await desk.take(1)) == [1]


@check("lanes", "operating")
async def a_lane_goes_on_when_its_head_is_cancelled(engine: Engine) -> None:
    async with sit(engine) as desk:
        sent = numbered(3, key="a", track=True)
        await desk.send(*sent)
        assert list(await desk.operating.cancel([sent[0].id, sent[1].id], "why")) == [sent[0].id, sent[1].id]
        delivery = await desk.take_one()
        assert bodies([delivery]) == [2]
        await desk.end(delivery)
        await desk.send(message(b"3", key="a"))
        assert bodies(await desk.take(1)) == [3]


@check("lanes", "delay")
async def a_delayed_message_of_a_key_joins_its_lane_when_it_is_due(engine: Engine) -> None:
    async with sit(engine) as desk:
        await desk.send(message(b"0", key="a", due_at=time.time() + 0.2), message(b"1", key="a"), message(b"2", key="a"))
        held = await desk.take_one()
        assert bodies([held]) == [1]
        await desk.nothing(0.5)
        await desk.end(held)
        rest = []
        for _ in range(2):
            delivery = await desk.take_one()
            rest += bodies([delivery])
            await desk.nothing(0)
            await desk.end(delivery)
        assert sorted(rest) == [0, 2]


@check("lanes", "atomic")
async def a_handler_may_send_to_its_own_lane(engine: Engine) -> None:
    async with sit(engine) as desk:
        await desk.send(message(b"0", key="a"))
        for number in range(1, 4):
            following = send(message(b"%d" % number, key="a"), desk.queue)
            assert not await desk.settle(settlement(await desk.take_one(), sends=[following]))
        assert bodies(await desk.take(1)) == [3]


@check("lanes", "processes", "holders seen")
async def a_lane_does_not_move_before_its_holder_is_dead(engine: Engine) -> None:
    async with sit(engine) as desk:
        await desk.send(*numbered(3, key="a"))
        async with await engine.actor("hold", limit=1) as actor:
            await actor.line()
            await desk.supervising.sweep()
            await desk.nothing()
            await actor.kill()
        assert await desk.supervising.sweep() == 1
        for number in range(3):
            delivery = await desk.take_one()
            assert bodies([delivery]) == [number]
            await desk.end(delivery)


@check("lanes", "kept")
async def lanes_survive_reopening(engine: Engine) -> None:
    async with sit(engine) as desk:
        await desk.send(*numbered(4, key="a"))
        await desk.end(await desk.take_one())
        await desk.take_one()
    async with sit(engine) as desk:
        for number in (1, 2, 3):
            delivery = await desk.take_one()
            assert bodies([delivery]) == [number]
            await desk.nothing(0)
            await desk.end(delivery)


@check("lanes", "processes", "shared")
async def keys_stay_in_order_across_processes_and_retries(engine: Engine) -> None:
    """Every seventh message is released once; still each key is accepted in order, and never overlaps itself."""
    count = 240
    async with sit(engine) as desk:
        await desk.send(*[message(b"%d" % n, key=f"k{n % 6}") for n in range(count)])
        async with await engine.actor("work") as one, await engine.actor("work") as other:
            events = await events_until(count, one, other)
    accepted, words = defaultdict(list), defaultdict(list)
    for word, key, number, _when, *outcome in events:
        words[key].append((word, number))
        if outcome == ["Accept"]:
            accepted[key].append(int(number))
    assert {key: len(numbers) for key, numbers in accepted.items()} == {f"k{n}": count // 6 for n in range(6)}
    for numbers in accepted.values():
        assert numbers == sorted(numbers)
    for told in words.values():
        for start, end in zip(told[::2], told[1::2], strict=False):
            assert (start[0], end[0]) == ("start", "end") and start[1] == end[1], "a key's handlers overlapped"


async def events_until(count: int, *actors: Actor) -> list[list[str]]:
    """What these workers tell until so many messages were accepted, in the order in which it happened."""
    events: list[list[str]] = []
    accepted: list[str] = []

    async def listen(actor: Actor) -> None:
        while len(accepted) < count:
            words = (await actor.line()).split()
            events.append(words)
            accepted.extend(words[2:3] if words[-1] == "Accept" else [])

    listening = [asyncio.ensure_future(listen(actor)) for actor in actors]
    done, waiting = await asyncio.wait(listening, timeout=DEADLINE_S, return_when=asyncio.FIRST_COMPLETED)
    for each in waiting:
        each.cancel()
    await asyncio.gather(*listening, return_exceptions=True)
    assert done, f"{len(accepted)} of {count} within {DEADLINE_S:g} s"
    return sorted(events, key=lambda words: int(words[3]))

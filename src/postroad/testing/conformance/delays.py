"""6. Retries and delays are the engine's: nothing is early, nothing blocks what is behind it, nothing is forgotten."""

from __future__ import annotations

import time

import msgspec

from postroad.core.delivery import ATTEMPTS_KEPT, Attempt
from postroad.core.outcome import Release
from postroad.testing.conformance.check import promise
from postroad.testing.conformance.desk import as_sent, bodies, message, numbered, send, sit
from postroad.testing.conformance.engine import Engine

check = promise("6 delays")

LATE_S = 1.5
YEAR_S = 365 * 86_400.0


@check("delay", "looking")
async def a_delayed_message_is_not_early_and_blocks_nobody(engine: Engine) -> None:
    async with sit(engine) as desk:
        due_at = time.time() + 0.4
        delayed = message(b"1", due_at=due_at)
        await desk.send(delayed, message(b"2"))
        assert bodies(await desk.take(1)) == [2]
        assert (await desk.depth()).delayed == 1
        await desk.nothing(0)
        delivery = await desk.take_one()
        assert due_at <= time.time() <= due_at + LATE_S
        assert as_sent(delivery) == msgspec.structs.replace(delayed, due_at=None)
        assert delivery.attempt == 1


@check("delay", "release")
async def a_released_message_waits_its_delay(engine: Engine) -> None:
    async with sit(engine) as desk:
        await desk.send(*numbered(2))
        first = await desk.take_one()
        before = time.time()
        await desk.end(first, outcome=Release(0.4, counted=True))
        assert bodies(await desk.take(1)) == [1]
        again = await desk.take_one()
        assert 0.4 <= time.time() - before <= 0.4 + LATE_S
        assert (bodies([again]), again.attempt) == ([0], 2)


@check("release", "uncounted")
async def an_uncounted_release_uses_up_no_attempt(engine: Engine) -> None:
    async with sit(engine) as desk:
        await desk.send(message())
        seen = []
        for counted in (False, True, False, True, True):
            delivery = await desk.take_one()
            seen.append(delivery.attempt)
            await desk.end(delivery, outcome=Release(0, counted=counted))
        assert [*seen, (await desk.take_one()).attempt] == [1, 1, 2, 2, 3, 4]


@check("release")
async def a_retried_message_is_whole_and_tells_what_went_wrong(engine: Engine) -> None:
    async with sit(engine) as desk:
        sent = message(b"\0\xff", headers={"a": "b"}, priority=7)
        await desk.send(sent)
        total = ATTEMPTS_KEPT + 3
        records = [Attempt("error", "OSError", f"no {n}", "Trace\u20ac", n, n + 0.5, "w") for n in range(total)]
        for record in records:
            await desk.end(await desk.take_one(), outcome=Release(0, counted=True, attempt=record))
        delivery = await desk.take_one()
        assert as_sent(delivery) == sent
        assert delivery.attempt == total + 1
        assert delivery.history == tuple(records[-ATTEMPTS_KEPT:])


@check("delay", "kept")
async def a_delay_survives_reopening(engine: Engine) -> None:
    due_at = time.time() + 0.6
    async with sit(engine) as desk:
        await desk.send(message(b"0"), message(b"1", due_at=due_at))
        await desk.end(await desk.take_one(), outcome=Release(0.5, counted=True))
        released_at = time.time()
    async with sit(engine) as desk:
        first, second = await desk.take_one(), await desk.take_one()
        assert [(int(each.message.body), each.attempt) for each in (first, second)] == [(0, 2), (1, 1)]
        assert time.time() >= max(due_at, released_at + 0.49)


@check("delay")
async def delayed_messages_come_in_the_order_of_their_times(engine: Engine) -> None:
    async with sit(engine) as desk:
        now = time.time()
        delays = [0.35, 0.05, 0.25, 0.15]
        await desk.send(*[message(b"%d" % n, due_at=now + delay) for n, delay in enumerate(delays)])
        assert [bodies([await desk.take_one()])[0] for _ in delays] == [1, 3, 2, 0]


@check("delay")
async def a_time_that_has_passed_is_now(engine: Engine) -> None:
    async with sit(engine) as desk:
        await desk.send(message(b"1", due_at=time.time() - 5), message(b"2", due_at=0.0))
        assert sorted(bodies(await desk.take(2))) == [1, 2]


@check("delay", "looking", "release")
async def a_delay_reaches_as_far_as_is_claimed(engine: Engine) -> None:
    async with sit(engine) as desk:
        far_s = desk.driver.offers(desk.queue).delay_max_s or 30 * YEAR_S
        await desk.send(message(b"1", due_at=time.time() + far_s), message(b"2"))
        await desk.end(await desk.take_one(), outcome=Release(far_s))
        await desk.nothing(0)
        assert (await desk.depth()).delayed == 2


@check("delay")
async def many_that_are_due_at_once_all_come(engine: Engine) -> None:
    async with sit(engine) as desk:
        due_at = time.time() + 0.2
        await desk.send(*numbered(2_500, due_at=due_at))
        assert sorted(bodies(await desk.take(2_500))) == list(range(2_500))
        assert time.time() >= due_at


@check("delay", "shared")
async def a_delay_set_elsewhere_is_kept_here(engine: Engine) -> None:
    async with sit(engine) as desk:
        async with engine.driver() as other:
            await other.publish([send(message(b"1", due_at=time.time() + 0.3))])
        before = time.time()
        await desk.take_one()
        assert time.time() - before <= 0.3 + LATE_S

"""9. One meaning of priority and expiry."""

from __future__ import annotations

import random
import time

from postroad.core.message import PRIORITY_DEFAULT, PRIORITY_MAX
from postroad.core.outcome import Release
from postroad.testing.conformance.check import promise
from postroad.testing.conformance.desk import beside, bodies, message, numbered, sit
from postroad.testing.conformance.engine import Engine

check = promise("9 priority and expiry")


@check("priority")
async def higher_is_sooner_and_equals_keep_their_order(engine: Engine) -> None:
    async with sit(engine) as desk:
        levels = PRIORITY_MAX + 1
        assert desk.driver.offers(desk.queue).priority_levels in range(2, levels + 1)
        sent = [message(b"%d" % n, priority=n % levels) for n in range(4 * levels)]
        random.Random(1).shuffle(sent)
        await desk.send(*sent)
        expected = sorted(sent, key=lambda each: -each.priority)
        assert [each.message.id for each in await desk.take(len(sent))] == [each.id for each in expected]


@check("priority")
async def a_later_message_of_higher_priority_overtakes(engine: Engine) -> None:
    async with sit(engine) as desk:
        await desk.send(*numbered(3))
        assert bodies(await desk.take(1)) == [0]
        await desk.send(message(b"9", priority=PRIORITY_DEFAULT + 1), message(b"8", priority=PRIORITY_DEFAULT - 1))
        assert bodies(await desk.take(4)) == [9, 1, 2, 8]


@check("priority", "release")
async def a_released_message_keeps_its_priority(engine: Engine) -> None:
    async with sit(engine) as desk:
        await desk.send(message(b"0"), message(b"1", priority=9), message(b"2", priority=1))
        first, second, third = await desk.take(3)
        assert bodies([first, second, third]) == [1, 0, 2]
        await desk.end(third, first, second, outcome=Release())
        assert bodies(await desk.take(3)) == [1, 0, 2]


@check("priority", "delay")
async def a_due_message_keeps_its_priority(engine: Engine) -> None:
    async with sit(engine) as desk:
        due_at = time.time() + 0.2
        await desk.send(message(b"0", due_at=due_at), message(b"1", due_at=due_at, priority=9))
        assert bodies([*await desk.take(2)]) == [1, 0]


@check("priority", "uncounted")
async def what_is_given_back_keeps_its_priority(engine: Engine) -> None:
    async with sit(engine) as desk:
        await desk.send(message(b"0"), message(b"1", priority=9), message(b"2", priority=1))
        async with beside(desk.driver) as other:
            await other.take(3)
        assert bodies(await desk.take(3)) == [1, 0, 2]


@check()
async def an_expiry_travels_with_its_message(engine: Engine) -> None:
    """Whether it has passed is asked where the message is received, by the consumer, on every engine alike."""
    async with sit(engine) as desk:
        now = time.time()
        await desk.send(message(b"0", expires_at=now - 5), message(b"1", expires_at=now + 500), message(b"2"))
        assert [each.message.expires_at for each in await desk.take(3)] == [now - 5, now + 500, None]

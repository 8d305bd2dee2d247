"""10. Cancels are durable, and reach the message they name and no other."""

from __future__ import annotations

import time

from postroad.core.outcome import Release
from postroad.testing.conformance.check import promise
from postroad.testing.conformance.desk import Desk, beside, bodies, message, numbered, sit
from postroad.testing.conformance.engine import Engine

check = promise("10 cancels")


async def marked(desk: Desk) -> frozenset[str]:
    """What the engine tells a consumer not to start."""
    return (await desk.consumer.turn((), 0, 0)).cancelled


@check("operating", "looking")
async def a_waiting_message_is_taken_out(engine: Engine) -> None:
    async with sit(engine) as desk:
        sent = [*numbered(3, track=True), message(b"3", due_at=time.time() + 0.2, track=True)]
        await desk.send(*sent)
        found = await desk.operating.cancel([sent[1].id, sent[3].id, "nobody"], "why")
        assert sorted(found) == sorted([sent[1].id, sent[3].id])
        assert bodies(await desk.take(2)) == [0, 2]
        await desk.nothing(0.4)
        assert (await desk.depth()).delayed == 0


@check("operating")
async def a_message_that_is_not_tracked_is_found_too(engine: Engine) -> None:
    async with sit(engine) as desk:
        sent = numbered(2)
        await desk.send(*sent)
        assert list(await desk.operating.cancel([sent[0].id], "why")) == [sent[0].id]
        assert bodies(await desk.take(1)) == [1]


@check("operating", "kept")
async def a_cancel_survives_reopening(engine: Engine) -> None:
    async with sit(engine) as desk:
        sent = numbered(2, track=True)
        await desk.send(*sent)
        await desk.operating.cancel([sent[0].id], "why")
    async with sit(engine) as desk:
        assert bodies(await desk.take(1)) == [1]
        await desk.nothing(0)


@check("operating")
async def a_held_message_is_marked_and_stays_its_holders(engine: Engine) -> None:
    async with sit(engine) as desk, beside(desk.driver) as other:
        sent = numbered(2, track=True)
        await desk.send(*sent)
        held, neighbour = await desk.take(2)
        assert list(await other.operating.cancel([sent[0].id], "why")) == [sent[0].id]
        assert await marked(desk) == {sent[0].id}
        await other.nothing(0)
        await desk.end(held, neighbour)


@check("operating")
async def a_mark_goes_with_its_message(engine: Engine) -> None:
    """The next message, though it be the same one sent again, is not cancelled by an old word."""
    async with sit(engine) as desk:
        sent = message(b"1", track=True)
        await desk.send(sent)
        held = await desk.take_one()
        await desk.operating.cancel([sent.id], "why")
        await desk.end(held)
        assert await marked(desk) == frozenset()
        await desk.send(sent)
        assert bodies(await desk.take(1)) == [1]
        assert await marked(desk) == frozenset()


@check("operating", "release")
async def a_mark_stays_through_a_retry(engine: Engine) -> None:
    async with sit(engine) as desk:
        sent = message(b"1", track=True)
        await desk.send(sent)
        held = await desk.take_one()
        await desk.operating.cancel([sent.id], "why")
        await desk.end(held, outcome=Release(0, counted=True))
        turn = await desk.consumer.turn((), 10, 5)
        assert not turn.deliveries or sent.id in turn.cancelled


@check("operating")
async def cancelling_nobody_is_nothing(engine: Engine) -> None:
    async with sit(engine) as desk:
        await desk.send(*numbered(2))
        assert list(await desk.operating.cancel(["nobody", "a' OR '1"], "why")) == []
        assert list(await desk.operating.cancel([], "why")) == []
        assert bodies(await desk.take(2)) == [0, 1]


@check("operating", "looking")
async def a_purge_takes_what_waits_and_leaves_what_is_held(engine: Engine) -> None:
    async with sit(engine) as desk:
        await desk.send(*numbered(5), message(b"5", key="a"), message(b"6", key="a"), message(b"7", due_at=time.time() + 60))
        held = await desk.take(2)
        assert await desk.operating.purge(desk.queue) == 6
        await desk.nothing(0)
        await desk.end(*held)
        await desk.empty()
        await desk.send(message(b"8", key="a"))
        assert bodies(await desk.take(1)) == [8]

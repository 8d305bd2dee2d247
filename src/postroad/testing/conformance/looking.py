"""Looking (E17): where messages are and how many there are, and that looking changes nothing."""

from __future__ import annotations

import time

from postroad.core.delivery import Attempt
from postroad.core.outcome import Reject, Release
from postroad.errors import NotFound
from postroad.testing.conformance.check import promise
from postroad.testing.conformance.desk import beside, bodies, message, numbered, sit
from postroad.testing.conformance.engine import FOLLOWERS, Engine

check = promise("looking")


@check("looking", "delay", "release")
async def every_message_is_counted_where_it_is(engine: Engine) -> None:
    async with sit(engine) as desk:
        await desk.send(*numbered(6), *numbered(3, key="a"), message(due_at=time.time() + 60))
        held = await desk.take(3)
        await desk.end(held[0], outcome=Reject("no"))
        await desk.end(held[1], outcome=Release(60))
        depth = await desk.depth()
        assert (depth.ready, depth.delayed, depth.in_flight, depth.dead) == (6, 2, 1, 1)
        empty = await desk.depth(FOLLOWERS)
        assert (empty.ready, empty.delayed, empty.in_flight, empty.dead, empty.oldest_age_s) == (0, 0, 0, 0, None)


@check("looking")
async def the_age_is_that_of_the_oldest_that_is_ready(engine: Engine) -> None:
    async with sit(engine) as desk:
        now = time.time()
        await desk.send(message(b"0", queued_at=now - 50), message(b"1", queued_at=now - 30), message(b"2", queued_at=now - 10))
        held = await desk.take_one()
        assert 30 <= ((await desk.depth()).oldest_age_s or 0) < 45
        await desk.end(held)


@check("looking", "priority")
async def the_oldest_is_found_behind_those_of_higher_priority(engine: Engine) -> None:
    async with sit(engine) as desk:
        now = time.time()
        await desk.send(message(queued_at=now - 500), message(queued_at=now - 1, priority=9))
        assert 500 <= ((await desk.depth()).oldest_age_s or 0) < 560


@check("looking", "delay", "release")
async def a_message_is_located_by_its_id(engine: Engine) -> None:
    async with sit(engine, worker="w1") as desk:
        due_at = time.time() + 60
        ready, delayed, held, retried = (message(b"%d" % n, track=True, priority=p) for n, p in enumerate((1, 4, 9, 9)))
        await desk.send(ready, held, retried, message(b"1", id=delayed.id, track=True, due_at=due_at))
        _, second = await desk.take(2)
        await desk.end(second, outcome=Release(60, counted=True, attempt=Attempt("error", "OSError", "no")))
        ids = [each.id for each in (ready, delayed, held, retried)]
        found = {each.id: each for each in await desk.looking.locate([*ids, "nobody"])}
        assert {id: each.place for id, each in found.items()} == dict(
            zip(ids, ("ready", "delayed", "held", "delayed"), strict=True)
        )
        assert found[delayed.id].due_at == due_at
        assert found[held.id].worker == "w1"
        assert (found[retried.id].attempt, found[retried.id].history[0].error) == (2, "no")
        assert found[ready.id].message == ready
        assert {each.queue for each in found.values()} == {desk.queue}


@check("looking", "processes", "starts")
async def a_started_message_is_running(engine: Engine) -> None:
    async with sit(engine) as desk:
        sent = numbered(2, track=True)
        await desk.send(*sent)
        seat = desk.supervising.reserve(4)
        async with await engine.actor("hold", seat=seat, limit=2, running=1) as child:
            await child.line()
            places = {each.id: each.place for each in await desk.looking.locate([each.id for each in sent])}
            assert places == {sent[0].id: "running", sent[1].id: "held"}
            holders = {holder.pid: holder for holder in await desk.looking.holders()}
            holder = holders[child.process.pid]
            assert (holder.state, holder.in_flight, holder.running) == ("alive", 2, (sent[0].id,))


@check("looking", "processes", "holders seen")
async def a_dead_holder_is_seen_dead(engine: Engine) -> None:
    async with sit(engine) as desk:
        await desk.send(message())
        async with await engine.actor("hold", limit=1) as child:
            await child.line()
            await child.kill()
            holders = {holder.pid: holder.state for holder in await desk.looking.holders()}
            assert holders[child.process.pid] == "dead"
        await desk.supervising.sweep()
        assert child.process.pid not in {holder.pid for holder in await desk.looking.holders()}


@check("looking")
async def the_newest_messages_are_listed_first(engine: Engine) -> None:
    async with sit(engine) as desk, beside(desk.driver, FOLLOWERS) as other:
        await desk.send(*numbered(3))
        await other.send(message(b"9"))
        listed = await desk.looking.list_messages(desk.queue, 2)
        assert [each.message.body for each in listed] == [b"2", b"1"]
        assert [each.message.body for each in await desk.looking.list_messages(None, 10)] == [b"9", b"2", b"1", b"0"]


@check("looking")
async def an_unknown_queue_is_said_to_be_unknown(engine: Engine) -> None:
    async with sit(engine) as desk:
        try:
            await desk.looking.list_messages("wrok", 5)
        except NotFound as error:
            assert "wrok" in str(error) and desk.queue in str(error)
        else:
            raise AssertionError("an unknown queue was listed")


@check("looking", "dead letters")
async def looking_changes_nothing(engine: Engine) -> None:
    async with sit(engine) as desk:
        sent = numbered(5, track=True)
        await desk.send(*sent, message(due_at=time.time() + 60))
        held = await desk.take(1)
        before = await desk.looking.list_messages(None, 100)
        for _ in range(3):
            await desk.looking.queues()
            await desk.looking.locate([each.id for each in sent])
            await desk.looking.holders()
        assert await desk.looking.list_messages(None, 100) == before
        await desk.end(*held)
        again = await desk.take(4)
        assert bodies(again) == [1, 2, 3, 4]
        assert {(each.attempt, each.crashes) for each in again} == {(1, 0)}

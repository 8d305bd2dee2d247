"""5. What a handler sends leaves with its outcome: sends, writes and the delivery's end happen together or not at all."""

from __future__ import annotations

from postroad.core.delivery import Attempt
from postroad.core.message import Receipt, Refused, Unique
from postroad.core.outcome import ACCEPT, Outcome, Reject, Release
from postroad.core.writes import Put
from postroad.testing.conformance.at_least_once import told_until
from postroad.testing.conformance.check import promise
from postroad.testing.conformance.desk import beside, bodies, message, numbered, send, settlement, sit
from postroad.testing.conformance.engine import FOLLOWERS, Engine

check = promise("5 atomic output")


@check("atomic", "looking")
async def sends_and_writes_leave_with_the_accept(engine: Engine) -> None:
    async with sit(engine) as desk, beside(desk.driver, FOLLOWERS) as followers:
        await desk.send(message(b"0"))
        delivery = await desk.take_one()
        following = [send(each, FOLLOWERS) for each in numbered(3)]
        writes = [Put("state", "a", '{"n": 1}', tag="DONE"), Put("state", "b", "[]")]
        await followers.nothing(0)
        assert not await desk.settle(settlement(delivery, ACCEPT, following, writes))
        assert bodies(await followers.take(3)) == [0, 1, 2]
        found = await desk.documents("state", "a", "b")
        assert (found["a"].value, found["a"].tag, found["b"].value) == ('{"n": 1}', "DONE", "[]")
        await desk.empty()


@check("atomic", "looking", "dead letters")
async def writes_leave_with_every_outcome(engine: Engine) -> None:
    outcomes: list[Outcome] = [ACCEPT, Release(60), Reject("no", Attempt("error", "OSError"))]
    async with sit(engine) as desk:
        await desk.send(*numbered(3))
        taken = await desk.take(3)
        settled = [
            settlement(delivery, outcome, (), [Put("state", str(n), "{}")])
            for n, (delivery, outcome) in enumerate(zip(taken, outcomes, strict=True))
        ]
        assert not await desk.settle(*settled)
        assert set(await desk.documents("state", "0", "1", "2")) == {"0", "1", "2"}
        depth = await desk.depth()
        assert (depth.ready, depth.delayed, depth.in_flight, depth.dead) == (0, 1, 0, 1)


@check("atomic", "looking")
async def one_refused_send_undoes_its_whole_settlement_and_no_other(engine: Engine) -> None:
    async with sit(engine) as desk, beside(desk.driver, FOLLOWERS) as followers:
        await desk.send(*numbered(2))
        bad, good = await desk.take(2)
        sends = [send(message(b"1"), FOLLOWERS), send(message(b"2"), "nowhere"), send(message(b"3"), FOLLOWERS)]
        refused = settlement(bad, ACCEPT, sends, [Put("state", "bad", "{}")])
        failures = await desk.settle(refused, settlement(good, ACCEPT, sends[:1], [Put("state", "good", "{}")]))
        assert [(failure.settlement, failure.kind) for failure in failures] == [(refused, "refused")]
        assert "nowhere" in failures[0].reason
        assert bodies(await followers.take(1)) == [1]
        await followers.nothing(0)
        assert set(await desk.documents("state", "good", "bad")) == {"good"}
        assert (await desk.depth()).in_flight == 1
        await desk.end(bad)
        await desk.empty()


@check("atomic")
async def a_followers_envelope_is_kept(engine: Engine) -> None:
    sent = message(b"\0\xff", headers={"h": "v"}, priority=1, key="k", track=True, content_type="x/y")
    async with sit(engine) as desk, beside(desk.driver, FOLLOWERS) as followers:
        await desk.send(message())
        assert not await desk.settle(settlement(await desk.take_one(), ACCEPT, [send(sent, FOLLOWERS)]))
        assert (await followers.take_one()).message == sent


@check("atomic", "delay")
async def a_delayed_follower_waits_its_time(engine: Engine) -> None:
    async with sit(engine) as desk, beside(desk.driver, FOLLOWERS) as followers:
        await desk.send(message())
        delayed = message(b"2", due_at=desk.store.now() + 0.2)
        sends = [send(delayed, FOLLOWERS), send(message(b"1"), FOLLOWERS)]
        assert not await desk.settle(settlement(await desk.take_one(), ACCEPT, sends))
        assert bodies(await followers.take(1)) == [1]
        assert bodies(await followers.take(1)) == [2]
        assert desk.store.now() >= (delayed.due_at or 0)


@check("atomic")
async def a_follower_that_was_sent_before_is_no_failure(engine: Engine) -> None:
    once = message(b"1", dedupe=True)
    only = message(b"2", unique=Unique("k"))
    async with sit(engine) as desk, beside(desk.driver, FOLLOWERS) as followers:
        await desk.send(*numbered(2))
        for delivery in await desk.take(2):
            sends = [send(once, FOLLOWERS), send(message(b"2", unique=only.unique), FOLLOWERS)]
            assert not await desk.settle(settlement(delivery, ACCEPT, sends))
        assert bodies(await followers.take(2)) == [1, 2]
        await followers.nothing(0)


@check("atomic")
async def many_followers_leave_with_one_outcome(engine: Engine) -> None:
    async with sit(engine) as desk, beside(desk.driver, FOLLOWERS) as followers:
        await desk.send(message())
        following = [send(each, FOLLOWERS) for each in numbered(10_000)]
        assert not await desk.settle(settlement(await desk.take_one(), ACCEPT, following))
        assert bodies(await followers.take(10_000)) == list(range(10_000))


@check("atomic")
async def a_published_batch_and_its_writes_are_one(engine: Engine) -> None:
    async with sit(engine) as desk:
        answers = await desk.driver.publish(
            [send(message(b"1")), send(message(b"2"), "nowhere")], writes=[Put("state", "a", "{}")]
        )
        assert [type(answer) for answer in answers] == [Receipt, Refused]
        assert set(await desk.documents("state", "a")) == {"a"}
        assert bodies(await desk.take(1)) == [1]


@check("atomic", "processes", "shared", "holders seen", "looking")
async def a_killed_worker_leaves_whole_outcomes_only(engine: Engine) -> None:
    """Each message waits, or its follower and its document are there, once: never both, never neither."""
    async with sit(engine) as desk, beside(desk.driver, FOLLOWERS) as followers:
        await desk.send(*numbered(400))
        for _ in range(3):
            async with await engine.actor("work", follow=1) as one, await engine.actor("work", follow=1) as other:
                await told_until(30, one, other)
                await one.kill()
                await other.kill()
            await desk.supervising.sweep()
        depth = await desk.depth()
        left = bodies(await desk.take(depth.ready + depth.delayed))
        followed = bodies(await followers.take((await followers.depth()).ready))
        handled = [int(document.key) for document in await desk.store.scan("handled", limit=10_000)]
        assert sorted(left + followed) == list(range(400))
        assert sorted(followed) == sorted(handled)
        assert len(followed) >= 3 * 30 - 3 * 2, "each round kills two workers, which told of one message more than they settled"

"""Exchanges: one send, a copy for each queue it is routed to, all of them or none."""

from __future__ import annotations

import json
import time
from collections import Counter

from postroad.core.message import Receipt, Refused
from postroad.core.outcome import Outcome, Reject, Release
from postroad.core.topology import Binding, Exchange, Queue, Thing
from postroad.testing.conformance.check import promise
from postroad.testing.conformance.desk import (
    Desk,
    as_sent,
    beside,
    bodies,
    message,
    numbered,
    send,
    settlement,
    sit,
    through,
)
from postroad.testing.conformance.engine import FOLLOWERS, QUEUE, Engine, establish

check = promise("exchanges")

NAMES = ("a", "b", "c")
QUEUES = tuple(map(Queue, NAMES))


def fanout(name: str, *queues: str) -> list[Thing]:
    """An exchange and its bindings."""
    return [Exchange(name, "fanout"), *(Binding(name, queue) for queue in queues)]


async def arrived(desk: Desk, *queues: str) -> dict[str, list[int]]:
    """What waits in each of these queues: taken, and ended."""
    found: dict[str, list[int]] = {}
    for queue in queues or NAMES:
        async with beside(desk.driver, queue) as taker:
            turn = await taker.consumer.turn((), 10_000, 0)
            found[queue] = bodies(turn.deliveries)
            assert {delivery.source for delivery in turn.deliveries} <= {queue}
            await taker.end(*turn.deliveries)
    return found


def everywhere(*numbers: int) -> dict[str, list[int]]:
    return {name: list(numbers) for name in NAMES}


def routed(answers: object) -> list[int]:
    """To how many queues each went. All must have been taken."""
    assert isinstance(answers, list | tuple)
    assert all(isinstance(answer, Receipt) for answer in answers), answers
    return [answer.routed for answer in answers]


@check("exchanges")
async def a_direct_exchange_goes_by_the_key_as_it_stands(engine: Engine) -> None:
    bound = [Binding("x", "a", "red"), Binding("x", "b", "red"), Binding("x", "b", "blue"), Binding("x", "c", "red.*")]
    async with sit(engine, declares=[*QUEUES, Exchange("x", "direct"), *bound]) as desk:
        keys = ("red", "blue", "red.*", "green")
        answers = [await desk.publish("x", message(b"%d" % n), key=key) for n, key in enumerate(keys)]
        assert [routed(answer) for answer in answers] == [[2], [1], [1], [0]]
        assert await arrived(desk) == {"a": [0], "b": [0, 1], "c": [2]}


@check("exchanges")
async def a_fanout_exchange_goes_everywhere(engine: Engine) -> None:
    async with sit(engine, declares=[*QUEUES, *fanout("x", *NAMES)]) as desk:
        answers = [await desk.publish("x", message(b"%d" % n), key=key) for n, key in enumerate(("", "any.thing"))]
        assert [routed(answer) for answer in answers] == [[3], [3]]
        assert await arrived(desk) == everywhere(0, 1)


@check("exchanges")
async def a_topic_exchange_goes_by_words(engine: Engine) -> None:
    bound = [Binding("x", "a", "kern.*"), Binding("x", "b", "#.critical"), Binding("x", "c", "kern.#")]
    keys = ("kern.info", "kern.critical", "kern", "mail.x.critical", "kern.a.b", "cron.info", "critical")
    async with sit(engine, declares=[*QUEUES, Exchange("x", "topic"), *bound]) as desk:
        answers = [await desk.publish("x", message(b"%d" % n), key=key) for n, key in enumerate(keys)]
        assert [routed(answer)[0] for answer in answers] == [2, 3, 1, 1, 1, 0, 1]
        assert await arrived(desk) == {"a": [0, 1], "b": [1, 3, 6], "c": [0, 1, 2, 4]}


@check("exchanges by headers")
async def a_headers_exchange_goes_by_all_or_any_of_them(engine: Engine) -> None:
    pdf = {"kind": "pdf", "size": "big"}
    bound = [Binding("x", "a", headers=pdf), Binding("x", "b", headers=pdf, match="any")]
    sent = [pdf, {**pdf, "more": "1"}, {"kind": "pdf"}, {"kind": "png", "size": "big"}, {"kind": "png"}, {}]
    async with sit(engine, declares=[*QUEUES, Exchange("x", "headers"), *bound]) as desk:
        for number, headers in enumerate(sent):
            await desk.publish("x", message(b"%d" % number, headers=headers), key="kind")
        assert await arrived(desk) == {"a": [0, 1], "b": [0, 1, 2, 3], "c": []}


@check("exchanges")
async def every_copy_is_the_message_as_sent(engine: Engine) -> None:
    sent = message(b"\xff\0", headers={"h": "\u20ac"}, key="k", priority=7, content_type="a/b", track=True)
    async with sit(engine, declares=[*QUEUES, *fanout("x", *NAMES)]) as desk:
        await desk.publish("x", sent, key="elsewhere")
        for name in NAMES:
            async with beside(desk.driver, name) as taker:
                assert as_sent(await taker.take_one()) == sent


@check("exchanges", "dead letters", "release")
async def what_becomes_of_one_copy_is_nothing_to_the_others(engine: Engine) -> None:
    async with sit(engine, declares=[*QUEUES, *fanout("x", *NAMES)]) as desk:
        await desk.publish("x", message(b"1"))
        outcomes: list[tuple[str, Outcome]] = [("a", Reject("no")), ("b", Release(0, counted=True))]
        for name, outcome in outcomes:
            async with beside(desk.driver, name) as taker:
                await taker.end(await taker.take_one(), outcome=outcome)
        depths = {name: await desk.depth(name) for name in NAMES}
        assert {name: (each.ready, each.dead) for name, each in depths.items()} == {
            "a": (0, 1),
            "b": (1, 0),
            "c": (1, 0),
        }
        async with beside(desk.driver, "b") as one, beside(desk.driver, "c") as other:
            assert ((await one.take_one()).attempt, (await other.take_one()).attempt) == (2, 1)


@check("exchanges")
async def a_queue_bound_many_times_gets_one_copy(engine: Engine) -> None:
    bound = [Binding("x", "a", pattern) for pattern in ("k.*", "k.#", "#", "k.v")]
    way: list[Thing] = [Exchange("y", "fanout"), Binding("x", "y", "#", to_exchange=True), Binding("y", "a")]
    async with sit(engine, declares=[*QUEUES, Exchange("x", "topic"), *bound, *way]) as desk:
        assert routed(await desk.publish("x", message(b"1"), key="k.v")) == [1]
        assert (await arrived(desk))["a"] == [1]


@check("exchanges")
async def exchanges_are_bound_to_exchanges_and_circles_end(engine: Engine) -> None:
    things: list[Thing] = [
        *QUEUES, Exchange("x", "topic"), Exchange("y", "fanout"), Exchange("z", "direct"),
        Binding("x", "y", "go.#", to_exchange=True), Binding("y", "z", to_exchange=True), Binding("z", "x", "go.on", to_exchange=True),
        Binding("x", "a", "*.on"), Binding("y", "b"), Binding("z", "c", "go.on"),
    ]  # fmt: skip
    async with sit(engine, declares=things) as desk:
        assert routed(await desk.publish("x", message(b"1"), key="go.on")) == [3]
        assert routed(await desk.publish("x", message(b"2"), key="go.off")) == [1]
        assert await arrived(desk) == {"a": [1], "b": [1, 2], "c": [1]}


@check("exchanges")
async def an_alternate_gets_what_goes_nowhere_else(engine: Engine) -> None:
    things = [*QUEUES, Exchange("x", "direct", alternate="rest"), Binding("x", "a", "known"), *fanout("rest", "b")]
    async with sit(engine, declares=things) as desk:
        answers = [await desk.publish("x", message(b"%d" % n), key=key) for n, key in enumerate(("known", "unknown"))]
        assert [routed(answer) for answer in answers] == [[1], [1]]
        mandatory = await desk.publish("x", message(b"2"), key="unknown", mandatory=True)
        assert routed(mandatory) == [1]
        assert await arrived(desk) == {"a": [0], "b": [1, 2], "c": []}


@check("exchanges")
async def an_alternate_is_for_what_no_binding_takes(engine: Engine) -> None:
    """A binding to an exchange that sends it nowhere has taken it."""
    things: list[Thing] = [*QUEUES, Exchange("x", "topic", "rest"), Exchange("y", "fanout"), *fanout("rest", "c")]
    async with sit(engine, declares=[*things, Binding("x", "y", "a.*", to_exchange=True)]) as desk:
        answers = [await desk.publish("x", message(b"%d" % n), key=key) for n, key in enumerate(("a.b", "b"))]
        assert [routed(answer) for answer in answers] == [[0], [1]]
        assert await arrived(desk) == {"a": [], "b": [], "c": [1]}


@check("exchanges")
async def the_empty_key_has_no_words(engine: Engine) -> None:
    bound = [Binding("x", "a", "*"), Binding("x", "b", "#"), Binding("x", "c", "*.#")]
    async with sit(engine, declares=[*QUEUES, Exchange("x", "topic"), *bound]) as desk:
        assert routed(await desk.publish("x", message(b"1"), key="")) == [1]
        assert await arrived(desk) == {"a": [], "b": [1], "c": []}


# To nobody


@check("exchanges", "unrouted")
async def what_is_published_to_nobody_is_taken_and_said(engine: Engine) -> None:
    async with sit(engine, declares=[Exchange("x", "topic")]) as desk:
        sent = numbered(2)
        answers = await desk.publish("x", *sent, key="to.nobody")
        assert [(answer.id, type(answer)) for answer in answers] == [(each.id, Receipt) for each in sent]
        assert routed(answers) == [0, 0]


@check("exchanges", "unrouted", "documents", "looking")
async def what_is_published_to_nobody_is_kept_a_day_and_counted(engine: Engine) -> None:
    async with sit(engine, declares=[Exchange("x", "topic")]) as desk:
        before = (await desk.looking.counters())["unrouted"]
        sent = [message('{"é": 1}'.encode(), headers={"h": "v"}), message(b"\xff\0")]
        now = time.time()
        await desk.publish("x", *sent, key="to.nobody")
        assert (await desk.looking.counters())["unrouted"] == before + 2
        documents = await desk.documents("unrouted", *(each.id for each in sent))
        text, raw = (json.loads(documents[each.id].value) for each in sent)
        assert (text["exchange"], text["routing_key"], text["headers"]) == ("x", "to.nobody", {"h": "v"})
        assert (text["body"], text.get("encoding")) == ('{"é": 1}', None)
        assert (raw["body"], raw["encoding"]) == ("/wA=", "base64")
        assert now - 1 <= text["at"] <= time.time() + 1
        for document in documents.values():
            assert now + 86_000 < (document.expires_at or 0) < now + 87_000


@check("exchanges", "unrouted")
async def what_is_mandatory_is_refused_when_nobody_takes_it(engine: Engine) -> None:
    async with sit(engine, declares=[*QUEUES, Exchange("x", "topic"), Binding("x", "a", "some.*")]) as desk:
        answers = await desk.driver.publish(
            [
                through("x", message(b"%d" % n), key, mandatory=True)
                for n, key in enumerate(("some.body", "no.body", "some.one"))
            ]
        )
        assert [type(answer) for answer in answers] == [Receipt, Refused, Receipt]
        refusal = answers[1]
        assert isinstance(refusal, Refused)
        assert refusal.kind == "unroutable" and "no.body" in refusal.reason
        assert (await arrived(desk))["a"] == [0, 2]


@check("exchanges", "unrouted", "documents", "looking")
async def what_was_refused_is_in_no_log(engine: Engine) -> None:
    async with sit(engine, declares=[Exchange("x", "topic")]) as desk:
        sent = message(b"1")
        await desk.publish("x", sent, key="k", mandatory=True)
        assert not await desk.documents("unrouted", sent.id)
        assert (await desk.looking.counters())["unrouted"] == 0


@check("exchanges")
async def an_unknown_exchange_is_always_refused(engine: Engine) -> None:
    async with sit(engine, declares=[Exchange("logs", "fanout")]) as desk:
        for mandatory in (False, True):
            (answer,) = await desk.publish("lgos", message(b"1"), mandatory=mandatory)
            assert isinstance(answer, Refused)
            assert answer.kind == "unroutable" and "lgos" in answer.reason and "'logs'" in answer.reason


# All or nothing


@check("exchanges", "processes", "atomic")
async def a_killed_publishers_fan_out_is_everywhere_or_nowhere(engine: Engine) -> None:
    things = [*QUEUES, *fanout("x", *NAMES)]
    async with sit(engine, declares=things) as desk:
        async with await engine.actor("publish", exchange="x") as actor:
            told = await actor.lines(60)
            told += await actor.kill()
        found = await arrived(desk)
        assert found["a"] == found["b"] == found["c"]
        assert found["a"][: len(told)] == list(map(int, told))
        assert found["a"][len(told) :] in ([], [len(told)])


@check("exchanges", "atomic")
async def what_a_handler_publishes_leaves_with_its_outcome(engine: Engine) -> None:
    async with sit(engine, declares=[*QUEUES, *fanout("x", *NAMES), Exchange("empty", "topic")]) as desk:
        await desk.send(*numbered(2))
        first, second = await desk.take(2)
        sends = [through("x", message(b"7")), through("empty", message(b"8"), "k"), send(message(b"9"), FOLLOWERS)]
        assert not await desk.settle(settlement(first, sends=sends))
        assert not await desk.settle(settlement(second, Release(60)))
        assert await arrived(desk, *NAMES, FOLLOWERS) == {**everywhere(7), FOLLOWERS: [9]}


@check("exchanges", "atomic", "unrouted")
async def a_publish_that_is_refused_fails_its_settlement_and_nothing_leaves(engine: Engine) -> None:
    bad = [through("nowhere", message()), through("x", message(), "no.body", mandatory=True)]
    async with sit(engine, declares=[Queue("a"), Exchange("x", "topic"), Binding("x", "a", "some.*")]) as desk:
        await desk.send(message(b"1"))
        delivery = await desk.take_one()
        for refused in bad:
            sends = [through("x", message(b"7"), "some.body"), refused]
            (failure,) = await desk.settle(settlement(delivery, sends=sends))
            assert failure.kind == "refused"
            assert refused.to.exchange in failure.reason
        assert await arrived(desk, "a") == {"a": []}
        await desk.end(delivery)
        await desk.empty()


@check("exchanges")
async def an_id_of_the_senders_choice_is_published_once(engine: Engine) -> None:
    sent = message(b"1", id="order-17", dedupe=True)
    async with sit(engine, declares=[*QUEUES, *fanout("x", *NAMES)]) as desk:
        first, second = [*await desk.publish("x", sent), *await desk.publish("x", sent)]
        assert isinstance(first, Receipt) and isinstance(second, Receipt)
        assert (first.duplicate_of, first.routed, second.duplicate_of) == (None, 3, "order-17")
        assert await arrived(desk) == everywhere(1)


# Bindings come and go


@check("exchanges", "kept")
async def a_binding_is_durable(engine: Engine) -> None:
    async with sit(engine, declares=[*QUEUES, *fanout("x", "a", "b")]):
        pass
    async with sit(engine) as desk:
        assert routed(await desk.publish("x", message(b"1"))) == [2]
        assert await arrived(desk) == {"a": [1], "b": [1], "c": []}


@check("exchanges", "kept")
async def what_was_routed_stays_where_it_is_when_the_binding_goes(engine: Engine) -> None:
    async with sit(engine, declares=[*QUEUES, *fanout("x", "a")]) as desk:
        await desk.publish("x", message(b"1"))
        assert await desk.operating.unbind(Binding("x", "a"))
    async with sit(engine) as desk:
        assert routed(await desk.publish("x", message(b"2"))) == [0]
        assert await arrived(desk, "a") == {"a": [1]}


@check("exchanges", "shared")
async def a_publisher_sees_what_another_one_bound(engine: Engine) -> None:
    """However often it has published before: what it remembers of the topology is not believed."""
    async with sit(engine, declares=[*QUEUES, *fanout("x", "a")]) as desk, sit(engine) as other:
        assert [routed(await desk.publish("x", each)) for each in numbered(3)] == [[1]] * 3
        await establish(other.driver, Binding("x", "b"))
        assert routed(await desk.publish("x", message(b"3"))) == [2]
        await establish(other.driver, Queue("new"), Binding("x", "new"))
        assert routed(await desk.publish("x", message(b"4"))) == [3]
        assert await other.operating.unbind(Binding("x", "a"))
        assert routed(await desk.publish("x", message(b"5"))) == [2]
        assert await arrived(desk, "a", "b", "new") == {"a": [0, 1, 2, 3, 4], "b": [3, 4, 5], "new": [4, 5]}


@check("exchanges", "shared", "atomic")
async def a_handler_sees_what_another_process_bound(engine: Engine) -> None:
    async with sit(engine, declares=[*QUEUES, *fanout("x", "a")]) as desk, sit(engine) as other:
        await desk.send(*numbered(2))
        await desk.publish("x", message(b"0"))
        await establish(other.driver, Binding("x", "b"))
        delivery, _rest = await desk.take(2)
        assert not await desk.settle(settlement(delivery, sends=[through("x", message(b"1"))]))
        assert await arrived(desk) == {"a": [0, 1], "b": [1], "c": []}


@check("exchanges", "processes")
async def a_publisher_sees_what_another_process_bound(engine: Engine) -> None:
    async with sit(engine, declares=[*QUEUES, *fanout("x", "a")]) as desk:
        assert routed(await desk.publish("x", message(b"0"))) == [1]
        async with await engine.actor("bind", exchange="x", to="b") as actor:
            assert await actor.line() == "bound"
            assert routed(await desk.publish("x", message(b"1"))) == [2]


@check("exchanges", "processes")
async def a_queue_bound_in_the_midst_misses_nothing_from_then_on(engine: Engine) -> None:
    """A publisher at full speed in another process: what it sent after the binding was made is there without a gap."""
    async with sit(engine, declares=[*QUEUES, *fanout("x", "a")]) as desk:
        async with await engine.actor("publish", exchange="x") as actor:
            told = await actor.lines(20)
            await establish(desk.driver, Binding("x", "b"))
            while (await desk.depth("b")).ready < 20:
                told += await actor.lines(5)
            told += await actor.kill()
        found = await arrived(desk)
        assert found["b"] == list(range(found["b"][0], found["a"][-1] + 1))
        assert found["a"] == list(range(len(found["a"])))
        assert len(told) <= len(found["a"]) <= len(told) + 1


@check("exchanges", "shared", "operating")
async def a_queue_that_another_one_removed_is_routed_to_no_more(engine: Engine) -> None:
    async with sit(engine, declares=[*QUEUES, *fanout("x", "a", "b")]) as desk, sit(engine) as other:
        assert routed(await desk.publish("x", message(b"0"))) == [2]
        assert await other.operating.delete_queue("a") == 1
        assert routed(await desk.publish("x", message(b"1"))) == [1]
        (answer,) = await desk.send(message(b"2"), queue="a")
        assert isinstance(answer, Refused) and answer.kind == "unroutable"
        await establish(other.driver, Queue("a"))
        assert await arrived(desk, "a", "b") == {"a": [], "b": [0, 1]}


@check("exchanges")
async def a_large_batch_goes_where_each_of_it_belongs(engine: Engine) -> None:
    """Straight to a queue, through an exchange, to nobody, to a queue that is not there: each gets its own answer."""
    bound = [Binding("x", "a", "to.a"), Binding("x", "b", "#")]
    async with sit(
        engine, declares=[*QUEUES, Exchange("x", "direct"), *bound[:1], Exchange("y", "topic"), Binding("y", "b", "#")]
    ) as desk:
        sends = []
        for number in range(400):
            each = message(b"%d" % number)
            ways = (
                send(each, QUEUE),
                through("x", each, "to.a"),
                through("x", each, "no"),
                send(each, "gone"),
                through("y", each),
            )
            sends.append(ways[number % 5])
        answers = await desk.driver.publish(sends)
        assert [answer.id for answer in answers] == [each.message.id for each in sends]
        kinds = Counter((n % 5, getattr(answer, "routed", "refused")) for n, answer in enumerate(answers))
        assert kinds == {(0, 1): 80, (1, 1): 80, (2, 0): 80, (3, "refused"): 80, (4, 1): 80}
        assert await arrived(desk, QUEUE, "a", "b") == {
            QUEUE: list(range(0, 400, 5)), "a": list(range(1, 400, 5)), "b": list(range(4, 400, 5)),
        }  # fmt: skip

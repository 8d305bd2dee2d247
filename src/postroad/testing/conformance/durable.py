"""1. Durable when it returns."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import cast

from postroad.core.message import Receipt, Refused
from postroad.errors import InvalidOption
from postroad.ports.driver import PublishesFromThreads
from postroad.testing.conformance.check import promise
from postroad.testing.conformance.desk import DEADLINE_S, as_sent, bodies, message, numbered, send, sit
from postroad.testing.conformance.engine import Engine

check = promise("1 durable")

BODIES = [
    b"",
    b"0",
    b'{"a": [1, 2.5, null, "\xc3\xa9"]}',
    b"\0",
    b"a\0b",
    b"\xff\xfe\xfd",
    b"'; DROP TABLE message; --",
    b'"\\u0000\\ud800"',
    bytes(range(256)) * 5,
    b"x" * 1_025,
    b"\xf0\x9f\x9a\x80" * 4_000,
]


@check()
async def every_body_arrives_to_the_byte(engine: Engine) -> None:
    sent = [message(body, content_type="application/octet-stream") for body in BODIES]
    async with sit(engine) as desk:
        await desk.send(*sent)
        taken = await desk.take(len(BODIES))
        assert [as_sent(delivery) for delivery in taken] == sent
        assert [delivery.message.body for delivery in taken] == BODIES


@check()
async def every_part_of_the_envelope_arrives(engine: Engine) -> None:
    sent = message(
        b"body",
        content_type="text/plain; charset=utf-8",
        headers={"postroad-task": "shop.resize", "n\0": "\u20ac\n'\"", "": ""},
        key="k\u20ac'\"",
        priority=7,
        expires_at=4_000_000_000.25,
        queued_at=1_700_000_000.125,
        track=True,
        order_skip=True,
    )
    async with sit(engine) as desk:
        await desk.send(sent)
        delivery = await desk.take_one()
        assert delivery.message == sent
        assert (delivery.source, delivery.attempt, delivery.crashes) == (desk.queue, 1, 0)
        assert (delivery.suspect, delivery.history) == (False, ())


@check("kept")
async def what_was_published_is_there_after_reopening(engine: Engine) -> None:
    sent = [message(body, headers={"n": str(n)}) for n, body in enumerate(BODIES)]
    async with sit(engine) as desk:
        await desk.send(*sent)
    async with sit(engine) as desk:
        assert [as_sent(delivery) for delivery in await desk.take(len(sent))] == sent
        await desk.nothing()


@check("processes")
async def what_a_killed_producer_was_told_is_there(engine: Engine) -> None:
    """Each confirmed number once; beyond them at most the one that was on its way."""
    async with await engine.actor("produce") as actor:
        told = await actor.lines(150)
        told += await actor.kill()
    async with sit(engine) as desk:
        found = bodies((await desk.take(len(told))) + list((await desk.consumer.turn((), 100, 0.2)).deliveries))
        assert found[: len(told)] == list(map(int, told))
        assert found[len(told) :] in ([], [len(told)])


@check("processes", "atomic")
async def a_killed_producers_batch_is_there_whole_or_not_at_all(engine: Engine) -> None:
    async with await engine.actor("produce", size=40) as actor:
        told = await actor.lines(25)
        told += await actor.kill()
    async with sit(engine) as desk:
        batches = {document.key for document in await desk.store.scan("batch", limit=10_000)}
        found = bodies(await desk.take(40 * len(batches)))
        await desk.nothing()
        assert batches >= set(told)
        assert sorted(found) == sorted(int(batch) for batch in batches for _ in range(40))


@check()
async def there_is_one_answer_a_message_in_order(engine: Engine) -> None:
    sent = numbered(6)
    queues = ["work", "nowhere", "work", "work", "nowhere", "work"]
    async with sit(engine) as desk:
        answers = await desk.driver.publish([send(each, queue) for each, queue in zip(sent, queues, strict=True)])
        assert [answer.id for answer in answers] == [each.id for each in sent]
        assert [type(answer) for answer in answers] == [Receipt, Refused, Receipt, Receipt, Refused, Receipt]
        assert {answer.kind for answer in answers if isinstance(answer, Refused)} == {"unroutable"}
        assert bodies(await desk.take(4)) == [0, 2, 3, 5]


@check()
async def a_refusal_says_which_queue_there_is_not(engine: Engine) -> None:
    async with sit(engine) as desk:
        answer = (await desk.send(message(), queue="wrok"))[0]
        assert isinstance(answer, Refused)
        assert "wrok" in answer.reason
        await desk.nothing(0)


@check()
async def an_empty_batch_is_nothing(engine: Engine) -> None:
    async with sit(engine) as desk:
        assert list(await desk.driver.publish([])) == []
        await desk.nothing(0)


@check()
async def a_weaker_mode_is_asked_for_by_its_name(engine: Engine) -> None:
    async with sit(engine) as desk:
        await desk.driver.publish([send(message(b"1"))], durability="relaxed")
        try:
            await desk.driver.publish([send(message(b"2"))], durability="ful")
        except InvalidOption:
            assert bodies(await desk.take(1)) == [1]
            await desk.nothing(0)
        else:
            raise AssertionError("durability='ful' was taken for something")


@check("threads")
async def any_thread_may_publish(engine: Engine) -> None:
    async with sit(engine) as desk:
        driver = cast(PublishesFromThreads, desk.driver)

        def publish(numbers: range) -> int:
            futures = [driver.publish_future([send(message(b"%d" % number))]) for number in numbers]
            return sum(len(future.result(DEADLINE_S)) for future in futures)

        with ThreadPoolExecutor(4) as pool:
            counts = list(pool.map(publish, [range(start, start + 100) for start in range(0, 400, 100)]))
        assert counts == [100] * 4
        assert sorted(bodies(await desk.take(400))) == list(range(400))


@check("shared")
async def a_queue_is_made_once_and_known_everywhere(engine: Engine) -> None:
    async with sit(engine) as one, sit(engine) as other:
        await other.send(*numbered(3))
        assert bodies(await one.take(3)) == [0, 1, 2]

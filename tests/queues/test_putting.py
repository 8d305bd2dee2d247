"""What is put into a queue, and what is refused before it gets there."""

from __future__ import annotations

import dataclasses
import threading
import time
from typing import Any

import msgspec
import pytest
from tests.queues.conftest import until

from postroad import App, errors
from postroad.core.message import BODY_BYTES_MAX


class Order(msgspec.Struct):
    id: int
    note: str = ""


@dataclasses.dataclass
class Click:
    user: str


def test_a_body_is_its_json_and_nothing_else(app: App) -> None:
    q = app.queue("work")
    ids = [q.put({"n": 1}), q.put([1, 2]), q.put("text"), q.put(None), q.put(Order(1)), q.put(Click("ada"))]
    found = q.peek(10)
    assert [one.id for one in found] == ids
    assert [one.message.body for one in found] == [
        b'{"n":1}', b"[1,2]", b'"text"', b"null", b'{"id":1,"note":""}', b'{"user":"ada"}',
    ]  # fmt: skip
    assert found[0].body == {"n": 1}
    assert q.depth() == 6


def test_bytes_go_as_they_are(app: App) -> None:
    q = app.queue("work")
    for body in (b"\xff\x00", bytearray(b"{}"), memoryview(b"")):
        q.put(body)
    found = q.peek()
    assert [one.message.body for one in found] == [b"\xff\x00", b"{}", b""]
    assert {one.message.content_type for one in found} == {"application/octet-stream"}
    assert found[1].body == b"{}"


def test_what_is_said_of_a_message(app: App) -> None:
    q = app.queue("work", max_priority=5)
    q.put(1, priority=5, key="k", headers={"by": "me"}, id="mine", expires="1h")
    q.put(2, delay=60)
    first, second = q.peek()
    assert (first.message.priority, first.message.key, first.headers, first.id) == (5, "k", {"by": "me"}, "mine")
    assert first.message.expires_at == pytest.approx(first.message.queued_at + 3600)
    assert second.place == "delayed"
    assert second.due_at == pytest.approx(second.message.queued_at + 60)
    assert second.message.priority == 4
    assert app.queue("few", max_priority=2).put(1)
    assert app.queue("few", max_priority=2).peek()[0].message.priority == 2, "the middle is not above the highest"


def test_priorities_must_be_declared(app: App) -> None:
    with pytest.raises(errors.InvalidOption, match=r"queue 'plain' has no priorities.*max_priority=9"):
        app.queue("plain").put(1, priority=3)
    with pytest.raises(errors.InvalidOption, match="declared with max_priority=3"):
        app.queue("low", max_priority=3).put(1, priority=4)
    with pytest.raises(errors.InvalidOption, match="from 0 to 9"):
        app.queue("low", max_priority=3).put(1, priority=10)
    for wrong in (0, 10, "9", True):
        with pytest.raises(errors.InvalidOption, match="max_priority"):
            app.queue("wrong", max_priority=wrong)  # type: ignore[call-overload]


def test_higher_priorities_come_first(app: App) -> None:
    q = app.queue("work", max_priority=9)
    for priority in (1, 9, 4):
        q.put(priority, priority=priority)
    assert [one.body for one in q.peek()] == [9, 4, 1]


def test_keys_come_from_the_body(app: App) -> None:
    by_field = app.queue("field", key="user")
    by_field.put({"user": 7})
    by_field.put(Click("ada"))
    by_field.put({"user": 7}, key="other")
    assert [one.message.key for one in by_field.peek()] == ["7", "ada", "other"]
    with pytest.raises(errors.Unserialisable, match=r"key='user'.*no such field"):
        by_field.put({"users": 7})
    by_function = app.queue("function", key=lambda body: body["a"] + body["b"])
    by_function.put({"a": "x", "b": "y"})
    assert by_function.peek()[0].message.key == "xy"
    plain = app.queue("plain")
    plain.put_many([1, 2], key=lambda body: f"number {body}")
    assert [one.message.key for one in plain.peek()] == ["number 1", "number 2"]


def test_a_schema_is_checked_at_put(app: App) -> None:
    q = app.queue("orders", schema=Order)
    q.put(Order(1))
    q.put({"id": 2})  # type: ignore[arg-type]
    assert [one.body for one in q.peek()] == [Order(1), Order(2)]
    for wrong in ({"note": "no id"}, Order("one"), {"id": 1, "note": 5}, 7, b"\xff"):  # type: ignore[arg-type]
        with pytest.raises(errors.Undecodable, match=r"queue of 'orders' does not fit its schema, Order"):
            q.put(wrong)  # type: ignore[arg-type]
    assert q.depth() == 2
    raw = app.queue("raw", schema=bytes)
    with pytest.raises(errors.Undecodable, match="says bytes"):
        raw.put("text")  # type: ignore[arg-type]
    with pytest.raises(errors.InvalidOption, match="JSON cannot be checked against it"):
        app.queue("odd", schema=App)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (object(), errors.Unserialisable),
        ({"a": {1, object()}}, errors.Unserialisable),
        (float("nan"), errors.Unserialisable),
        ("half \ud800", errors.Unserialisable),
        ("x" * BODY_BYTES_MAX, errors.TooLarge),
        (b"x" * (BODY_BYTES_MAX + 1), errors.TooLarge),
    ],
    ids=["object", "inside", "nan", "half a character", "text one byte over", "bytes one byte over"],
)
def test_bodies_that_cannot_be_sent(app: App, body: Any, kind: type[Exception]) -> None:
    q = app.queue("work")
    with pytest.raises(kind, match="queue of 'work'"):
        q.put(body)
    assert q.put("x" * (BODY_BYTES_MAX - 2)), "the limit itself is allowed"


def test_a_body_10_000_levels_deep_is_refused(app: App) -> None:
    deep: Any = []
    for _ in range(10_000):
        deep = [deep]
    with pytest.raises(errors.Unserialisable):
        app.queue("work").put(deep)


def test_a_second_message_with_an_id_is_not_kept_twice(app: App) -> None:
    q = app.queue("work")
    assert q.put(1, id="order-1") == q.put(2, id="order-1") == "order-1"
    with q.receive(timeout=5) as d:
        assert (d.id, d.body) == ("order-1", 1)
    with pytest.raises(errors.QueueEmpty), q.receive(timeout=0):
        pass


def test_many(app: App) -> None:
    q = app.queue("work")
    ids = q.put_many(({"n": n} for n in range(5000)), headers={"batch": "1"})
    assert len(set(ids)) == 5000
    assert q.depth() == 5000
    assert [one.body["n"] for one in q.peek(3)] == [0, 1, 2]
    assert q.put_many([]) == []
    with pytest.raises(errors.Unserialisable):
        q.put_many([1, object()])


async def test_awaited(app: App) -> None:
    q = app.queue("work")
    await q.aput(1)
    assert len(await q.aput_many(range(3))) == 3
    assert await q.adepth() == 4
    assert [one.body for one in await q.apeek(2)] == [1, 0]
    assert await q.apurge(limit=1) == 1
    assert await q.apurge() == 3
    for blocking in (lambda: q.put(1), lambda: q.put_many([1]), q.depth, q.peek, q.purge):
        with pytest.raises(errors.BlockingCallOnLoop, match=r"Write: await q\.a"):
            blocking()


def test_purge(app: App) -> None:
    q = app.queue("work")
    q.put_many(range(5))
    assert q.purge(limit=2) == 2
    assert [one.body for one in q.peek()] == [2, 3, 4]
    assert q.purge() == 3
    assert q.depth() == 0
    with pytest.raises(errors.InvalidOption, match="limit"):
        q.purge(limit=0)


def test_a_queue_that_nobody_declares(app: App) -> None:
    elsewhere = app.queue("elsewhere", declare=False)
    with pytest.raises(errors.Unroutable, match="elsewhere"):
        elsewhere.put(1)
    for look in (elsewhere.depth, elsewhere.peek, elsewhere.purge):
        with pytest.raises(errors.NotFound, match="elsewhere"):
            look()


def test_less_durable_messages_are_there_all_the_same(file_app: App) -> None:
    q = file_app.queue("work")
    q.put(1, persistent=False)
    q.put_many([2, 3], persistent=False)
    assert [one.body for one in q.peek()] == [1, 2, 3]


def test_a_full_queue_rejects(app: App) -> None:
    q = app.queue("small", max_length=2, overflow="reject")
    q.put_many([1, 2])
    with pytest.raises(errors.QueueFull, match="small"):
        q.put(3)
    with pytest.raises(errors.QueueFull):
        q.put(3, delay=60)
    with q.receive(timeout=1):
        q.put(3)
    assert q.depth() == 2


def test_a_full_queue_blocks_until_there_is_room(app: App) -> None:
    q = app.queue("small", max_length=1, overflow="block")
    q.put(1)
    with pytest.raises(errors.QueueFull, match=r"no room for 0\.05 s"):
        q.put(2, timeout=0.05)
    threading.Timer(0.05, q.purge).start()
    q.put(3, timeout=10)
    assert [one.body for one in q.peek()] == [3]


def test_a_full_queue_drops_its_oldest(app: App) -> None:
    q = app.queue("small", max_length=2, overflow="drop_oldest")
    q.put_many(range(5))
    assert [one.body for one in q.peek()] == [3, 4]
    letters = q.dead_letters.peek()
    assert [letter.message.body for letter in letters][::-1] == [b"0", b"1", b"2"]
    assert {letter.error_type for letter in letters} == {"Overflow"}


def test_a_queue_that_blocks_is_the_default_for_a_bound(app: App) -> None:
    assert app.queue("small", max_length=1).declared.queue.overflow == "block"


def test_what_waits_too_long_is_a_dead_letter(app: App) -> None:
    q = app.queue("short", ttl=0.05)
    q.put(1)
    taken = []

    @q.consumer
    def handle(body: int) -> None:
        taken.append(body)

    until(lambda: q.peek()[0].message.expires_at < time.time())
    with app.worker():
        letter = until(lambda: q.dead_letters.peek())[0]
    assert letter.error_type == "Expired"
    assert letter.reason.startswith("expired: ")
    assert not taken


@pytest.mark.parametrize("overflow", ["block", "drop_oldest"])
def test_a_bound_is_exact_under_producers_at_full_speed(app: App, overflow: str) -> None:
    q, handled, number, most = app.queue("small", max_length=20, overflow=overflow), list[int](), 300, 0

    @q.consumer(prefetch=5)
    def handle(body: int) -> None:
        handled.append(body)

    def produce(share: int) -> None:
        for body in range(share, number, 3):
            q.put(body)

    q.put_many([])
    producers = [threading.Thread(target=produce, args=(share,)) for share in range(3)]
    with app.worker(threads=1):
        for producer in producers:
            producer.start()
        while len(handled) + q.dead_letters.count() < number:
            most = max(most, *(one.ready + one.delayed for one in app.inspect.queues()))
        for producer in producers:
            producer.join(10)
    assert 0 < most <= 20
    letters = [int(letter.message.body) for letter in q.dead_letters.peek(number)] if overflow == "drop_oldest" else []
    assert sorted(handled + letters) == list(range(number)), "each once"

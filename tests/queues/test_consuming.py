"""Consumers: what a handler gets, how a message ends."""

from __future__ import annotations

import dataclasses
import json
import threading
import time
from typing import Any

import msgspec
import pytest
from tests.queues.conftest import Seen, until

from postroad import (
    App,
    BatchError,
    DeadLetter,
    Delivery,
    Drop,
    Message,
    Middleware,
    Retry,
    RetryLater,
    Router,
    current,
    errors,
)
from postroad.core.message import Address, Send
from postroad.core.message import Message as Envelope


class Order(msgspec.Struct):
    id: int


class Model:
    """What we know of a pydantic model."""

    def __init__(self, n: int) -> None:
        self.n = n

    def model_dump(self, mode: str) -> dict[str, Any]:
        return {"n": self.n}

    @classmethod
    def model_validate(cls, value: Any) -> Model:
        if not isinstance(value["n"], int):
            raise ValueError("n is no number")  # noqa: TRY004
        return cls(value["n"])


@dataclasses.dataclass
class Click:
    user: str


def raw(app: App, queue: str, body: bytes, content_type: str = "application/json") -> None:
    """As a foreign producer would."""
    message = Envelope(f"foreign-{time.time_ns()}", body, content_type, queued_at=time.time())
    app.route.outbound.send([Send(Address(queue), message)], "test", "test")


def records(app: App, tag: str) -> list[dict[str, Any]]:
    """What remains of messages that ended so."""
    found = app.ask(lambda driver: driver.scan("message", tag=tag))  # type: ignore[attr-defined]
    return [json.loads(one.value) for one in found]


def test_the_function_stays_one_and_both_forms_declare(app: App, seen: Seen) -> None:
    @app.queue("plain").consumer
    def handle(body: dict[str, int]) -> str:
        seen(body)
        return "called"

    @app.queue("options").consumer(prefetch=1)
    async def handle_async(body: dict[str, int]) -> str:
        seen(body)
        return "called"

    assert handle({"n": 0}) == "called"
    app.queue("plain").put({"n": 1})
    app.queue("options").put({"n": 2})
    with app.worker():
        assert sorted(one["n"] for one in seen.wait(3)) == [0, 1, 2]


def test_the_annotation_decides_what_it_gets(app: App, seen: Seen) -> None:
    def order(body: Order) -> None:
        seen(body)

    def click(body: Click) -> None:
        seen(body)

    def octets(body: bytes) -> None:
        seen(body)

    def envelope(message: Message) -> None:
        seen((message.body, message.headers))

    def anything(body) -> None:  # type: ignore[no-untyped-def]
        seen(body)

    async def optional(body: Order | None = None) -> None:
        seen(body)

    for function in (order, click, octets, envelope, anything, optional):
        app.queue(function.__name__).consumer(function)
    app.queue("order").put({"id": 1})
    app.queue("click").put({"user": "ada"})
    app.queue("octets").put({"a": 1})
    app.queue("envelope").put(5, headers={"by": "me"})
    app.queue("anything").put_many([[1], b"\x00"])
    app.queue("optional").put(None)
    with app.worker():
        found = seen.wait(7)
    for value in (Order(1), Click("ada"), b'{"a":1}', (b"5", {"by": "me"}), [1], b"\x00", None):
        assert value in found


def test_a_schema_decides_for_a_handler_that_says_nothing(app: App, seen: Seen) -> None:
    q = app.queue("orders", schema=Order)

    @q.consumer
    def handle(order) -> None:  # type: ignore[no-untyped-def]
        seen(order)

    q.put(Order(3))
    with app.worker():
        assert seen.wait(1) == [Order(3)]


def test_pydantic_models(app: App, seen: Seen) -> None:
    q = app.queue("models", schema=Model)

    @q.consumer
    def handle(body: Model) -> None:
        seen(body.n)

    q.put(Model(4))
    with pytest.raises(errors.Undecodable, match="n is no number"):
        q.put(Model("four"))  # type: ignore[arg-type]
    with app.worker():
        assert seen.wait(1) == [4]


WRONG = {
    "no JSON": b"{not json",
    "not UTF-8": b'"\xff\xfe"',
    "10,000 levels deep": b"[" * 10_000 + b"]" * 10_000,
    "a field is missing": b"{}",
    "a field of another type": b'{"id":"one"}',
    "nothing": b"",
}


@pytest.mark.parametrize("body", WRONG.values(), ids=WRONG.keys())
def test_a_body_that_cannot_be_read_is_a_dead_letter_at_once(app: App, body: bytes) -> None:
    q = app.queue("orders")
    handled: list[Order] = []

    @q.consumer(retry=Retry(max=5, base=0))
    def handle(order: Order) -> None:
        handled.append(order)

    app.engine()
    raw(app, "orders", body)
    with app.worker():
        letter = until(lambda: q.dead_letters.peek())[0]
    assert letter.message.body == body
    assert letter.error_type == "postroad.errors.Undecodable"
    assert "handle" in letter.reason
    assert letter.attempt == 1
    assert not handled


def test_what_is_no_handler(app: App) -> None:
    q = app.queue("work")

    def nothing() -> None: ...
    def two(body: int, other: int) -> None: ...
    def keyword(body: int, *, other: int) -> None: ...
    def plain(body: App) -> None: ...
    def generator(body: int) -> Any:
        yield body

    for function, words in [
        (nothing, r"nothing\(\) takes nothing.*write `def nothing\(body: dict\[str, Any\]\) -> None`"),
        (two, r"two\(body: int, other: int\) asks for 2 arguments.*current"),
        (keyword, "asks for 2 arguments"),
        (plain, "cannot be read from JSON"),
        (generator, "generator"),
    ]:
        with pytest.raises(errors.ConfigurationError, match=words):
            q.consumer(function)  # type: ignore[type-var]
    with pytest.raises(errors.ConfigurationError, match=r"no list: write `def plain_list\(bodies: list"):

        @q.consumer(batch=10)
        def plain_list(body: dict[str, int]) -> None: ...

    @q.consumer
    def fine(body: int, other: int = 3, *args: int, **named: int) -> None: ...

    with pytest.raises(errors.ConfigurationError, match=r"has a consumer already, .*fine; a second one, .*second"):

        @q.consumer
        def second(body: int) -> None: ...


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"ack": "never"}, "ack='never'"),
        ({"batch": 0}, "batch=0"),
        ({"prefetch": 0}, "prefetch=0"),
        ({"prefetch": 5, "batch": 10}, "never be full"),
        ({"ack": "early", "retry": Retry()}, "nothing can be retried"),
        ({"ack": "early", "on_error": {ValueError: Drop()}}, "nothing can be retried"),
        ({"retry": 3}, r"retry=Retry\(max=3\)"),
        ({"on_error": {ValueError: "drop"}}, "right side"),
        ({"order": "any"}, "order='any'"),
        ({"executor": "coroutine"}, "written with def"),
        ({"max_deliveries": 0}, "max_deliveries=0"),
        ({"on_gap": "wait"}, "on_gap='wait'"),
        ({"sequence": "n", "order": "skip"}, "leave one of them out"),
        ({"sequence": "n", "ack": "early"}, "waited for"),
        ({"sequence": 5}, "sequence=5"),
        ({"inbox": 5}, "inbox=5"),
        ({"prefetch_count": 1}, r"Instead: prefetch="),
        ({"auto_ack": True}, "Instead: ack="),
        ({"max_delivery": 1}, "Did you mean 'max_deliveries'"),
    ],
    ids=lambda part: str(part)[:30],
)
def test_options_that_make_no_sense(app: App, options: dict[str, Any], words: str) -> None:
    with pytest.raises(errors.InvalidOption, match=words):

        @app.queue("work").consumer(**options)
        def handle(body: int) -> None: ...


def test_retries_and_then_a_dead_letter(app: App, seen: Seen) -> None:
    q = app.queue("work")

    @q.consumer(retry=Retry(max=2, base=0, jitter=False))
    def handle(body: int) -> None:
        seen(body)
        raise ValueError(f"attempt at {body}")

    q.put(1)
    with app.worker():
        letter = until(lambda: q.dead_letters.peek())[0]
    assert seen.all == [1, 1, 1]
    assert (letter.error_type, letter.attempt, letter.reason) == ("ValueError", 3, "ValueError: attempt at 1 (attempt 3)")
    assert [attempt.error for attempt in letter.history] == ["attempt at 1"] * 3


def test_the_handlers_own_words(app: App, seen: Seen) -> None:
    q = app.queue("work")
    said = {1: DeadLetter("not for us"), 2: Drop("seen it"), 3: KeyError("x"), 4: OSError("disk")}

    @q.consumer(on_error={KeyError: Drop("by route"), OSError: DeadLetter("escalated")})
    def handle(body: int) -> None:
        seen(body)
        if body == 5 and seen.all.count(5) == 1:
            raise RetryLater(after=0)
        if body in said:
            raise said[body]

    q.put_many([1, 2, 3, 4, 5])
    with app.worker():
        seen.wait(6)
        until(lambda: len(q.dead_letters.peek()) == 2 and len(records(app, "DROPPED")) == 2)
    assert sorted(letter.reason for letter in q.dead_letters.peek()) == ["escalated", "not for us"]
    found = {one["reason"]: one for one in records(app, "DROPPED")}
    assert found.keys() == {"by route", "seen it"}
    assert found["seen it"]["source"] == "work"
    assert found["seen it"]["state"] == "DROPPED"
    assert found["seen it"]["attempt"] == 1


def test_sends_leave_with_the_outcome(app: App, seen: Seen) -> None:
    q, results, attempts = app.queue("work"), app.queue("results"), list[int]()
    results.consumer(lambda body: seen(body))

    @q.consumer(retry=Retry(max=1, base=0))
    def handle(body: int) -> None:
        results.put(f"{body}: {current.message.id}")
        with app.send_now():
            results.put("now")
        results.put("now too", send_now=True)
        attempts.append(1)
        if len(attempts) == 1:
            raise ValueError

    id = q.put(1)
    with app.worker(threads=1):
        found = seen.wait(5)
        until(lambda: q.depth() == 0)
    assert found.count("now") == found.count("now too") == 2
    assert found.count(f"1: {id}") == 1


def test_an_early_acknowledgement_is_at_most_once(app: App, seen: Seen) -> None:
    q = app.queue("work")
    go = threading.Event()

    @q.consumer(ack="early")
    def handle(body: int) -> None:
        seen(body)
        go.wait(10)
        raise ValueError("too bad")

    q.put(1, headers={"by": "me"})
    with app.worker():
        seen.wait(1)
        until(lambda: app.inspect.queues()[0].in_flight == 0)
        go.set()
        record = until(lambda: records(app, "FAILED"))[0]
    assert record["reason"].startswith("ValueError: too bad")
    assert record["headers"] == {"by": "me"}
    assert not q.dead_letters.peek()
    assert q.depth() == 0


def test_prefetch_leaves_the_rest_to_others(app: App, seen: Seen) -> None:
    q = app.queue("work")
    go = threading.Event()

    @q.consumer(prefetch=2)
    def handle(body: int) -> None:
        seen(body)
        go.wait(10)

    q.put_many(range(10))
    with app.worker(threads=8):
        seen.wait(2)
        depths = {one.queue: one for one in app.inspect.queues()}
        assert depths["work"].in_flight == 2
        assert depths["work"].ready == 8
        go.set()
        assert sorted(seen.wait(10)) == list(range(10))


def test_batches(app: App, seen: Seen) -> None:
    q = app.queue("work")

    @q.consumer(batch=50, batch_wait=0.2)
    def handle(bodies: list[Order]) -> None:
        seen(bodies)

    q.put_many({"id": n} for n in range(120))
    with app.worker():
        until(lambda: sum(map(len, seen.all)) == 120)
    assert max(map(len, seen.all)) == 50
    assert sorted(order.id for batch in seen.all for order in batch) == list(range(120))


def test_a_bad_one_in_a_batch_stands_alone(app: App, seen: Seen) -> None:
    q = app.queue("work")

    @q.consumer(batch=8, batch_wait=0.2)
    def handle(bodies: list[int]) -> None:
        if 3 in bodies:
            raise ValueError("three is bad")
        for body in bodies:
            seen(body)

    q.put_many([*range(7), "no number"])
    with app.worker():
        until(lambda: q.dead_letters.count() == 2 and len(seen.all) >= 6)
    assert sorted(seen.all) == [0, 1, 2, 4, 5, 6]
    assert {letter.message.body for letter in q.dead_letters.peek()} == {b"3", b'"no number"'}


def test_a_batch_error_names_the_bad_ones(app: App, seen: Seen) -> None:
    q = app.queue("work")

    @q.consumer(batch=4, batch_wait=0.2, retry=Retry(max=0))
    async def handle(messages: list[Message]) -> None:
        seen(len(messages))
        bad = {at: ValueError("odd") for at, one in enumerate(messages) if json.loads(one.body) % 2}
        if bad:
            raise BatchError(bad)

    q.put_many(range(4))
    with app.worker():
        until(lambda: q.dead_letters.count() == 2)
    assert seen.all == [4], "it ran once"
    assert {letter.message.body for letter in q.dead_letters.peek()} == {b"1", b"3"}


def test_an_inbox_by_a_field_handles_foreign_repeats_once(app: App, seen: Seen) -> None:
    q = app.queue("work")

    @q.consumer(inbox="order_id")
    def handle(body: dict[str, Any]) -> None:
        seen(body["n"])

    q.put({"order_id": "a", "n": 1})
    with app.worker():
        seen.wait(1)
        q.put({"order_id": "a", "n": 2})
        q.put({"order_id": "b", "n": 3})
        q.put({"n": 4})
        assert sorted(seen.wait(2)) == [1, 3]
        letter = until(lambda: q.dead_letters.peek())[0]
        duplicate = until(lambda: records(app, "DUPLICATE"))[0]
    assert "no field of this name" in letter.reason
    assert duplicate["source"] == "work"
    assert sorted(seen.all) == [1, 3]


def test_an_inbox_by_the_messages_id(app: App, seen: Seen) -> None:
    q = app.queue("work")

    @q.consumer(inbox=True)
    def handle(body: int) -> None:
        seen(body)

    def foreign(body: bytes) -> None:
        app.route.outbound.send([Send(Address("work"), Envelope("theirs", body))], "test", "test")

    with app.worker(threads=1):
        q.put(1)
        foreign(b"2")
        until(lambda: not q.depth() and not app.inspect.queues()[0].in_flight)
        foreign(b"3")
        until(lambda: records(app, "DUPLICATE"))
    assert seen.all == [1, 2]


def test_an_inbox_by_a_function(app: App, seen: Seen) -> None:
    q = app.queue("work")

    @q.consumer(inbox=lambda order: order.id if order.id else None)
    def handle(body: Order) -> None:
        seen(body.id)

    with app.worker(threads=1):
        for number in (1, 1, 0, 0):
            q.put({"id": number})
            until(lambda: q.depth() == 0 and not app.inspect.queues()[0].in_flight)
    assert seen.all == [1, 0, 0], "None is no mark"


def test_a_failed_attempt_leaves_no_mark(app: App, seen: Seen) -> None:
    q = app.queue("work")

    @q.consumer(inbox="id", retry=Retry(max=3, base=0))
    def handle(body: dict[str, Any]) -> None:
        seen(body["id"])
        if len(seen.all) < 3:
            raise ValueError

    q.put({"id": 1})
    with app.worker():
        seen.wait(3)
        until(lambda: q.depth() == 0 and not app.inspect.queues()[0].in_flight)
    assert seen.all == [1, 1, 1]
    assert not q.dead_letters.peek()


@pytest.mark.parametrize("order", ["wait", "skip"])
def test_the_order_of_a_key(app: App, seen: Seen, order: str) -> None:
    q = app.queue("work", key="user")
    failed = []

    @q.consumer(retry=Retry(max=1, base=0.2, jitter=False), order=order)
    def handle(body: dict[str, Any]) -> None:
        if body["n"] == 0 and not failed:
            failed.append(1)
            raise ValueError
        seen(body["n"])

    q.put_many({"user": "ada", "n": n} for n in range(3))
    with app.worker(threads=4):
        assert seen.wait(3) == ([0, 1, 2] if order == "wait" else [1, 2, 0])


def test_order_by_number(app: App, seen: Seen) -> None:
    q = app.queue("work", key="user")

    @q.consumer(sequence="seq")
    def handle(body: dict[str, Any]) -> None:
        seen((body["user"], body["seq"]))

    q.put_many({"user": user, "seq": seq} for seq in (1, 4, 3, 2, 3) for user in ("ada", "bob"))
    with app.worker(threads=4):
        seen.wait(8)
        until(lambda: len(records(app, "DUPLICATE")) == 2)
        q.put({"user": "ada", "seq": "five"})
        letter = until(lambda: q.dead_letters.peek())[0]
    for user in ("ada", "bob"):
        assert [seq for who, seq in seen.all if who == user] == [1, 2, 3, 4]
    assert "no number of a sequence" in letter.reason


def test_a_gap_in_the_numbers(app: App, seen: Seen) -> None:
    waits, skips = app.queue("waits", key="user"), app.queue("skips", key="user")
    waits.consumer(sequence="seq", gap_timeout=0.2)(lambda body: seen(("waits", body["seq"])))
    skips.consumer(sequence="seq", gap_timeout=0.2, on_gap="skip")(lambda body: seen(("skips", body["seq"])))
    for q in (waits, skips):
        q.put_many({"user": "ada", "seq": seq} for seq in (1, 3, 4))
    with app.worker(threads=2):
        seen.wait(4)
        until(lambda: waits.dead_letters.count() == 2)
    assert [seq for name, seq in seen.all if name == "waits"] == [1]
    assert [seq for name, seq in seen.all if name == "skips"] == [1, 3, 4]


def test_a_routers_consumer_takes_for_the_app_that_includes_it(app: App, seen: Seen) -> None:
    router = Router()
    q = router.queue("work", max_length=5)

    @q.consumer
    def handle(body: int) -> None:
        seen(body)

    with pytest.raises(errors.ConfigurationError, match=r"app\.include\(router\)"):
        q.put(1)
    app.include(router)
    q.put(1)
    app.queue("work", max_length=5).put(2)
    with app.worker():
        assert sorted(seen.wait(2)) == [1, 2]


def test_two_apps_on_one_file(url: str, seen: Seen) -> None:
    producer, consumer = App(url, name="producer"), App(url, name="consumer")
    sent, taken = producer.queue("work"), consumer.queue("work")

    @taken.consumer
    def handle(body: int) -> None:
        seen(body)

    sent.put(1)
    with consumer.worker():
        sent.put(2)
        assert sorted(seen.wait(2)) == [1, 2]
    for app in (producer, consumer):
        app.close()


def test_a_queue_of_its_processs_own(app: App, seen: Seen) -> None:
    q = app.queue("", exclusive=True)
    assert q.name.startswith("temporary.")
    assert app.queue("", exclusive=True).name != q.name
    news = app.exchange("news", "fanout")
    news.bind(q)
    q.consumer(lambda body: seen(body))
    news.publish("before")
    with app.worker():
        news.publish("hello")
        q.put("direct")
        assert sorted(seen.wait(2)) == ["direct", "hello"]
        assert q.name in {one.queue for one in app.inspect.queues()}
    assert q.name not in {one.queue for one in app.inspect.queues()}, "it went with who took from it"


def test_expired_messages_are_dead_letters(app: App, seen: Seen) -> None:
    q = app.queue("work")

    @q.consumer
    def handle(body: int) -> None:
        seen(body)

    q.put(1, expires=0.01)
    q.put(2)
    until(lambda: q.peek()[0].message.expires_at < time.time())
    with app.worker():
        assert seen.wait(1) == [2]
        letter = until(lambda: q.dead_letters.peek())[0]
    assert letter.error_type == "Expired"
    assert letter.reason == "expired: it was not started before it expired"


def test_middleware_is_around_consumers_and_around_what_is_put(app: App, seen: Seen) -> None:
    class Notes(Middleware):
        def before_send(self, send: Send) -> Send:
            return msgspec.structs.replace(send, message=msgspec.structs.replace(send.message, headers={"stamped": "yes"}))

        def before_run(self, delivery: Delivery) -> None:
            seen(("before", delivery.message.headers))

        def after_run(self, delivery: Delivery, error: BaseException | None) -> None:
            seen(("after", repr(error)))

    q, batches = app.queue("work"), app.queue("batches")

    @q.consumer
    async def handle(body: int) -> None:
        raise ValueError(body)

    @batches.consumer(batch=2)
    def handle_both(bodies: list[int]) -> None:
        seen(bodies)

    app.use(Notes())
    q.put(1)
    with app.worker(threads=1):
        assert seen.wait(2) == [("before", {"stamped": "yes"}), ("after", "ValueError(1)")]
        batches.put_many([1, 2])
        assert seen.wait(5)[2:] == [("before", {"stamped": "yes"}), [1, 2], ("after", "None")]

"""Bad input among queues, exchanges and events: refused where it is written, or a dead letter; nothing is lost, all else goes on."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.bad_input.support import letters, publish, says, until

from postroad import App, CloudEvent, Event
from postroad.core.message import BODY_BYTES_MAX, Address, Message, Send
from postroad.core.routing import EVENTS
from postroad.engine.identity import new_id
from postroad.errors import (
    ConfigurationError,
    InvalidPattern,
    MessageError,
    QueueFull,
    TooLarge,
    TopologyConflict,
    Unroutable,
    Unserialisable,
)

pytestmark = pytest.mark.bad_input

DEEP = b"[" * 10_000 + b"]" * 10_000


class Ordered(Event, type="order.created", key="order_id"):
    order_id: str
    amount: int


class Heard:
    """What handlers took, from any thread."""

    def __init__(self) -> None:
        self.all: list[Any] = []

    def __call__(self, value: Any) -> None:
        self.all.append(value)

    def until(self, *expected: Any) -> None:
        until(lambda: len(self.all) >= len(expected), f"{expected} handled, only {self.all}")
        assert self.all == list(expected)


@pytest.fixture
def heard() -> Heard:
    return Heard()


def foreign(body: bytes, queue: str = "", exchange: str = "", **options: Any) -> Send:
    """A message as somebody else writes it, past all checks."""
    options = {"id": new_id(), "queued_at": time.time(), **options}
    return Send(Address(queue, exchange), Message(body=body, **options))


def foreign_event(body: bytes, type: str = "order.created", **options: Any) -> Send:
    return foreign(body, type, EVENTS, headers={"ce_type": type, "ce_source": "elsewhere"}, dedupe=True, **options)


def documents(app: App, kind: str) -> list[tuple[str, str, dict[str, Any]]]:
    """Key, tag and value of each."""
    found = app.ask(lambda driver: driver.scan(kind, limit=1000))  # type: ignore[attr-defined]
    return [(document.key, document.tag, json.loads(document.value)) for document in found]


def ended(app: App) -> list[tuple[str, str, str]]:
    """Id, queue and state of what ended without a dead letter."""
    return [(key.split()[0], value["source"], tag) for key, tag, value in documents(app, "message")]


def inside(app: App, queue: str) -> int:
    """How many wait there or are held."""
    (depth,) = [each for each in app.inspect.queues() if each.queue == queue]
    return int(depth.ready + depth.delayed + depth.in_flight)


@contextmanager
def dead_at_once(app: App, source: str, *bodies: bytes) -> Iterator[list[str]]:
    """After the block, exactly these have died there, to the byte; the reasons."""
    reasons: list[str] = []
    yield reasons
    found = until(lambda: len(there := letters(app, source=source)) == len(bodies) and there, f"{len(bodies)} dead letters")
    assert sorted(letter.message.body for letter in found) == sorted(bodies)
    assert {(letter.attempt, letter.deaths) for letter in found} == {(1, 1)}
    by_body = {letter.message.body: letter.reason for letter in found}
    reasons.extend(by_body[body] for body in bodies)


# Nobody takes it


def test_publish_to_nobody(app: App) -> None:
    logs = app.exchange("logs", "topic")
    event_id = app.publish(Ordered(order_id="1", amount=5))
    message_id = logs.publish({"m": 1}, routing_key="kern.info", headers={"h": "v"})
    found = {key: value for key, _tag, value in documents(app, "unrouted")}
    assert set(found) == {event_id, message_id}
    assert (found[event_id]["exchange"], found[event_id]["routing_key"]) == (EVENTS, "order.created")
    assert json.loads(found[event_id]["body"]) == {"order_id": "1", "amount": 5}
    assert (found[message_id]["body"], found[message_id]["headers"]["h"]) == ('{"m":1}', "v")

    mandatory: list[Callable[[], object]] = [
        lambda: app.publish(Ordered(order_id="2", amount=5), mandatory=True),
        lambda: logs.publish({"m": 2}, routing_key="kern.info", mandatory=True),
    ]
    for send in mandatory:
        with pytest.raises(Unroutable) as refused:
            send()
        says(refused.value, "mandatory", "bind", "to no queue")
    assert len(documents(app, "unrouted")) == 2, "what was refused is its sender's to keep"


def test_put_to_an_undeclared_queue(app: App, heard: Heard) -> None:
    elsewhere = app.queue("elsewhere", declare=False)
    with pytest.raises(Unroutable) as refused:
        elsewhere.put({"n": 1})
    says(refused.value, "no queue 'elsewhere'", "Declare it in the app")
    with pytest.raises(Unroutable):
        elsewhere.put_many([{"n": 2}, {"n": 3}])
    assert [queue.queue for queue in app.inspect.queues() if queue.queue == "elsewhere"] == []

    work = app.queue("work")

    @work.consumer
    def forward(body: dict[str, Any]) -> None:
        heard(body["n"])
        elsewhere.put(body)

    with app.worker(threads=1), dead_at_once(app, "work", b'{"n":4}') as reasons:
        work.put({"n": 4})
    says(reasons[0], "elsewhere")
    assert heard.all == [4], "the letter has it; what it sent did not leave"


# Declarations


def test_conflicting_declarations(app: App, file: Path) -> None:
    media = app.queue("media", max_length=10, overflow="reject")
    assert app.queue("media", max_length=10, overflow="reject") is media
    otherwise: list[Callable[[], object]] = [
        lambda: app.queue("media", max_length=11, overflow="reject"),
        lambda: app.queue("media"),
    ]
    for declare in otherwise:
        with pytest.raises(TopologyConflict) as refused:
            declare()
        says(refused.value, "'media'", "max_length", "10")
    app.exchange("logs", "topic")
    with pytest.raises(TopologyConflict) as kind:
        app.exchange("logs", "fanout")
    says(kind.value, "'logs'", "topic", "fanout")
    media.put({"n": 1})

    with App(f"sqlite:///{file}") as other:
        with pytest.raises(TopologyConflict) as there:
            other.queue("media", max_length=99, overflow="reject").put({"n": 2})
        says(there.value, "'media'", "max_length is 10 there and 99 here", "Declare it alike")
    assert [peeked.body for peeked in media.peek()] == [{"n": 1}]


def test_a_queue_for_tasks_and_for_messages(file: Path) -> None:
    with App(f"sqlite:///{file}") as app:

        @app.task(name="shop.resize", queue="media")
        def resize(path: str) -> None: ...

        media = app.queue("media")
        with pytest.raises(TopologyConflict) as refused:
            media.put({"n": 1})
        says(refused.value, "'media'", "tasks", "messages")
    with App(f"sqlite:///{file}") as tasks:

        @tasks.task(name="shop.resize", queue="media")
        def again(path: str) -> None: ...

        again.delay("cat.png")
        with App(f"sqlite:///{file}") as messages, pytest.raises(TopologyConflict) as there:
            messages.queue("media").put({"n": 1})
        says(there.value, "'media'", "carries is 'tasks' there and 'messages' here")
        assert [each.ready for each in tasks.inspect.queues() if each.queue == "media"] == [1]


def test_two_handlers_of_one_group_with_overlapping_types(app: App) -> None:
    @app.subscribe(Ordered, group="stock")
    def reserve(order: Ordered) -> None: ...

    with pytest.raises(ConfigurationError) as refused:

        @app.subscribe("order.*", group="stock")
        def audit(event: dict[str, Any]) -> None: ...

        app.publish(Ordered(order_id="1", amount=1))

    says(refused.value, "'stock'", "'order.*'", "'order.created'", "reserve", "audit")


def test_invalid_pattern(app: App) -> None:
    queue, logs = app.queue("kernel"), app.exchange("logs", "topic")
    for pattern in ("order.cre*", "#x", "order..created", ".order", "order.", ""):
        subscribing: list[Callable[[], object]] = [lambda pattern=pattern: logs.bind(queue, pattern)]  # type: ignore[misc]
        if pattern:
            subscribing.append(lambda pattern=pattern: app.subscribe(pattern, group="g")(lambda event: None))  # type: ignore[misc]
        for subscribe in subscribing:
            with pytest.raises(InvalidPattern) as refused:
                subscribe()
            says(refused.value, repr(pattern), "'order.*'")
    assert not logs.topology().bindings


def test_handler_without_parameters(app: App) -> None:
    queue = app.queue("work")
    decorators: list[Callable[[Any], object]] = [
        queue.consumer,
        app.subscribe(Ordered, group="stock"),
        app.subscribe("order.*", group="audit"),
        app.on_dead_letter,
    ]

    def careless() -> None: ...

    for decorate in decorators:
        with pytest.raises(ConfigurationError) as refused:
            decorate(careless)
        says(refused.value, "careless() takes nothing", "write `def careless(")
    queue.put({"n": 1})
    assert queue.depth() == 1


# Bodies

BAD_BODIES = [b"no json", b'{"n": 1', b"", b"\xff\xfe", b'{"n": "\xff"}', DEEP, b'{"n": NaN}', b"[1]", b'{"n": 1} trailing']


def test_bodies_that_cannot_be_read(app: App, heard: Heard) -> None:
    """No JSON, not UTF-8, 10,000 levels deep: a dead letter each, at once; those behind them are handled."""
    work = app.queue("work")

    @work.consumer
    def handle(body: dict[str, Any]) -> None:
        heard(body["n"])

    sends = [foreign(body, "work") for body in BAD_BODIES]
    with app.worker(threads=2), dead_at_once(app, "work", *BAD_BODIES) as reasons:
        publish(app, foreign(b'{"n": 1}', "work"), *sends, foreign(b'{"n": 2}', "work"))
        until(lambda: sorted(heard.all) == [1, 2], "the good ones are handled")
    assert all(reason and len(reason) < 2_000 for reason in reasons), "a reason tells, it does not repeat the body"
    assert {letter.error_type for letter in letters(app)} == {"postroad.errors.Undecodable"}


def test_event_bodies_that_cannot_be_read(app: App, heard: Heard) -> None:
    @app.subscribe(Ordered, group="stock")
    def reserve(order: Ordered) -> None:
        heard(order.amount)

    good = b'{"order_id": "1", "amount": 7}'
    bad = BAD_BODIES[:7]
    with app.worker(threads=2), dead_at_once(app, "events.stock", *bad):
        publish(app, *map(foreign_event, bad), foreign_event(good))
        heard.until(7)


def test_a_body_one_byte_over_the_limit(app: App) -> None:
    work, logs = app.queue("work"), app.exchange("logs", "fanout")
    logs.bind(work)
    exact = b"x" * BODY_BYTES_MAX
    work.put(exact)
    for over in (
        lambda: work.put(exact + b"x"),
        lambda: work.put("x" * (BODY_BYTES_MAX - 1)),
        lambda: work.put_many([exact + b"x"]),
        lambda: logs.publish(exact + b"x"),
        lambda: app.publish(Ordered(order_id="x" * BODY_BYTES_MAX, amount=1)),
    ):
        with pytest.raises(TooLarge) as refused:
            over()
        says(refused.value, f"{BODY_BYTES_MAX:,}")
    assert work.depth() == 1
    with work.receive(timeout=5) as received:
        assert received.body == exact


def test_a_body_that_nests_too_deep(app: App) -> None:
    work = app.queue("work")
    nested: list[Any] = []
    for _ in range(10_000):
        nested = [nested]
    with pytest.raises(Unserialisable) as refused:
        work.put(nested)
    says(refused.value, "no JSON form", "'work'")
    assert len(str(refused.value)) < 2_000, "an error tells where, not ten thousand times"
    assert work.depth() == 0


def test_fields_of_an_event(app: App, heard: Heard) -> None:
    """Missing or of another type: a dead letter in the decoder's words. Unknown: ignored, and kept for who takes all of it."""

    @app.subscribe(Ordered, group="stock")
    def reserve(order: Ordered) -> None:
        heard((order.order_id, order.amount))

    @app.subscribe("order.*", group="audit")
    def audit(event: CloudEvent[dict[str, Any]]) -> None:
        heard(sorted(event.data))

    missing, wrong = b'{"order_id": "1"}', b'{"order_id": "1", "amount": "five"}'
    unknown = b'{"order_id": "2", "amount": 5, "currency": "EUR"}'
    with app.worker(threads=1), dead_at_once(app, "events.stock", missing, wrong) as reasons:
        publish(app, *map(foreign_event, (missing, wrong, unknown)))
        until(lambda: len(heard.all) == 4, "one order, three facts")
    assert [each for each in heard.all if isinstance(each, tuple)] == [("2", 5)]
    assert ["amount", "currency", "order_id"] in heard.all
    says(reasons[0], "amount", "missing")
    says(reasons[1], "amount", "int", "str")
    assert not letters(app, source="events.audit")

    with pytest.raises((MessageError, TypeError)):
        app.publish(Ordered(order_id="3", amount="five"))  # type: ignore[arg-type]


# Repeats and numbers


def test_duplicate_id_from_a_foreign_producer(app: App, heard: Heard) -> None:
    """It does not know of our deduplication: the same id comes again, and has its effects once where there is an inbox."""
    orders, done, plain = app.queue("orders"), app.queue("done"), app.queue("plain")

    @orders.consumer(inbox=True)
    def handle(body: dict[str, Any]) -> None:
        heard(body["n"])
        done.put(body)

    with app.worker(threads=2):
        publish(app, *(foreign(b'{"n": %d}' % n, "orders", id="order-17") for n in range(3)), foreign(b'{"n": 9}', "orders"))
        until(lambda: done.depth() == 2 and documents(app, "message"), "two are done, and there is a record of the repeat")
        handled = len(heard.all)
        publish(app, foreign(b'{"n": 3}', "orders", id="order-17"), foreign(b'{"n": 10}', "orders"))
        until(lambda: done.depth() == 3, "the last one is done")
        until(lambda: inside(app, "orders") == 0, "nothing is left")
    assert len(heard.all) == handled + 1, "what was handled before is not even begun"
    assert 3 not in heard.all
    assert ended(app) == [("order-17", "orders", "DUPLICATE")]
    assert (done.depth(), letters(app)) == (3, [])

    first = plain.put({"n": 1}, id="order-18")
    assert plain.put({"n": 1}, id="order-18") == first == "order-18"
    assert plain.depth() == 1


def numbered(*numbers: int, key: str = "k", made: str = "") -> list[Send]:
    return [foreign(b'{"seq": %d}' % n, "steps", id=f"{key}-{n}{made}", key=key) for n in numbers]


def test_sequence_gap_repeat_and_reset(app: App, heard: Heard) -> None:
    steps = app.queue("steps", key="account")

    @steps.consumer(sequence="seq", gap_timeout=0.5)
    def step(body: dict[str, Any]) -> None:
        heard(body["seq"])

    with app.worker(threads=2):
        publish(app, *numbered(1, 3, 2))
        heard.until(1, 2, 3)
        publish(app, *numbered(2, made="-again"))
        until(lambda: documents(app, "message"), "a record of the repeat")
        assert ended(app) == [("k-2-again", "steps", "DUPLICATE")]
        with dead_at_once(app, "steps", b'{"seq": 6}', b'{"seq": 5}') as gap:
            publish(app, *numbered(6, 5))
        for reason in gap:
            says(reason, "4", "'k'")
        publish(app, *numbered(4))
        heard.until(1, 2, 3, 4)
        assert app.dead_letters(steps).redrive().count == 2
        heard.until(1, 2, 3, 4, 5, 6)
        with dead_at_once(app, "steps", b'{"seq": 1}') as reset:
            publish(app, *numbered(1, made="-anew"))
        says(reset[0], "sequence reset", "'k'")
    heard.until(1, 2, 3, 4, 5, 6)


# Full queues


def test_bounded_queue_full_under_block_with_a_deadline(app: App) -> None:
    few = app.queue("few", max_length=2, overflow="block")
    few.put_many([{"n": 0}, {"n": 1}])
    before = time.monotonic()
    with pytest.raises(QueueFull) as refused:
        few.put({"n": 2}, timeout=0.3)
    assert 0.25 < time.monotonic() - before < 5
    says(refused.value, "'few'", "max_length", "0.3 s", "timeout")
    assert few.depth() == 2

    waiting = threading.Thread(target=lambda: few.put({"n": 3}, timeout=15))
    waiting.start()
    with few.receive(timeout=5) as received:
        assert received.body == {"n": 0}
    waiting.join(15)
    assert not waiting.is_alive()
    assert [peeked.body["n"] for peeked in few.peek()] == [1, 3]


def test_redrive_to_a_full_queue(app: App) -> None:
    few = app.queue("few", max_length=2, overflow="reject")
    for number in range(4):
        few.put({"n": number})
        with few.receive(timeout=5) as received:
            received.reject("not today")
    few.put({"n": 4})
    redriven = app.dead_letters(few).redrive()
    assert redriven.count == 1
    says(redriven.refused, "'few'", "full", "redrive the rest")
    assert sorted(peeked.body["n"] for peeked in few.peek()) == [0, 4]
    assert sorted(letter.message.body for letter in letters(app)) == [b'{"n":%d}' % n for n in (1, 2, 3)]
    assert {letter.deaths for letter in letters(app)} == {1}
    few.purge()
    assert app.dead_letters(few).redrive(limit=5).count == 2


def test_edited_dead_letter_that_is_still_invalid(app: App, heard: Heard) -> None:
    work = app.queue("work")

    @work.consumer
    def handle(body: dict[str, int]) -> None:
        heard(body["n"])

    with app.worker(threads=1):
        with dead_at_once(app, "work", b"no json"):
            publish(app, foreign(b"no json", "work"))
        (letter,) = letters(app)
        for body, deaths in ((b"still no json", 2), (b'{"n": "five"}', 3)):
            edited = app.dead_letters(work).edit(letter.number, body=body)
            assert (edited.edited, edited.message.body) == (True, body)
            assert app.dead_letters(work).redrive().count == 1
            (letter,) = until(lambda d=deaths: [one for one in letters(app) if one.deaths == d], f"death {deaths}")  # type: ignore[misc]
            assert (letter.message.body, letter.edited, letter.error_type) == (body, True, "postroad.errors.Undecodable")
        app.dead_letters(work).edit(letter.number, body={"n": 5})
        assert app.dead_letters(work).redrive().count == 1
        heard.until(5)
    assert not letters(app)

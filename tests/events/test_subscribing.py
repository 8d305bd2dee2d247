"""Groups: who gets what, in which order, and what becomes of what cannot be handled."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from tests.events.conftest import Seen, until
from tests.events.shop import OrderCreated, OrderPaid, StockLow, Undeclared

from postroad import App, BatchError, CloudEvent, Drop, Event, Retry, Router, current
from postroad.core.message import Address, Message, Send
from postroad.core.topology import Binding, Exchange, Queue
from postroad.errors import (
    ConfigurationError,
    InvalidName,
    InvalidOption,
    InvalidPattern,
    NoCurrentTask,
    NotSupported,
)
from postroad.events.group import EventGroup
from postroad.ports.driver import DeadLetterRecord, Inspectable
from postroad.ports.store import Store


class Numbered(Event, type="numbered", key="key"):
    key: str
    number: int


def numbers(*pairs: str) -> list[Numbered]:
    return [Numbered(key=pair[0], number=int(pair[1:])) for pair in pairs]


def only_letter(subscriber: Any) -> DeadLetterRecord:
    """Of this group, when it has come."""
    until(subscriber.dead_letters.count)
    (letter,) = subscriber.dead_letters.peek()
    assert isinstance(letter, DeadLetterRecord)
    return letter


def records(app: App, tag: str) -> list[Any]:
    driver = app.engine()
    assert isinstance(driver, Store)
    return list(app.ask(lambda _driver: driver.scan("message", tag=tag)))


def test_every_group_gets_every_event_once(app: App, seen: Seen) -> None:
    @app.subscribe(OrderCreated, group="inventory")
    def reserve(order: OrderCreated) -> None:
        seen(("inventory", order.order_id))

    @app.subscribe(OrderCreated)
    async def confirm(order: OrderCreated) -> None:
        seen(("confirm", order.order_id))

    @app.subscribe("order.*", group="audit")
    def audit(event: dict[str, Any]) -> None:
        seen(("audit", event["order_id"]))

    assert confirm.group == f"{__name__}.{confirm.function.__qualname__}"
    with app.worker(threads=2):
        app.publish(OrderCreated(order_id="1"))
        app.publish(OrderPaid(order_id="2", amount=1.0))
        app.publish(StockLow(item="3"))
        assert sorted(seen.wait(4)) == [("audit", "1"), ("audit", "2"), ("confirm", "1"), ("inventory", "1")]


async def test_a_subscriber_is_still_a_function(app: App) -> None:
    @app.subscribe(OrderCreated, group="a")
    def double(order: OrderCreated) -> int:
        """Twice the lines."""
        return order.lines * 2

    @app.subscribe(OrderCreated, group="b")
    async def later(order: OrderCreated) -> str:
        return order.order_id

    order = OrderCreated(order_id="1", lines=2)
    assert double(order) == double(order=order) == 4
    assert await later(order) == "1"
    known: Any = double
    assert (known.__name__, known.__doc__, double.group, double.queue) == ("double", "Twice the lines.", "a", "events.a")
    assert "double" in repr(double)


def test_what_is_declared(app: App) -> None:
    @app.subscribe(OrderCreated, "stock.#", group="inventory", prefetch=7)
    def reserve(event: dict[str, Any]) -> None: ...

    assert app.topology().queues == (Queue("events.inventory", carries="events"),)
    assert app.topology().exchanges == (Exchange("postroad.events", "topic"),)
    assert app.topology().bindings == (
        Binding("postroad.events", "events.inventory", "order.created"),
        Binding("postroad.events", "events.inventory", "stock.#"),
    )
    assert app.queues() == ("events.inventory",)
    assert app.prefetches() == {"events.inventory": 7}
    assert app.executors() == {"thread"}
    assert app.known() == (reserve.handler.name,)


def test_a_topic_names_the_queue(app: App) -> None:
    class Moved(Event, type="moved", topic="shop"):
        by: str

    @app.subscribe(Moved, group="inventory")
    def handle(event: Moved) -> None: ...

    assert handle.queue == "shop.inventory"
    with pytest.raises(ConfigurationError, match=r"several topics \(events, shop\)"):
        app.subscribe(Moved, StockLow, group="both")(lambda event: None)
    with pytest.raises(ConfigurationError, match="takes from topic 'shop'"):
        app.subscribe(StockLow, group="inventory")(lambda event: None)


def test_several_handlers_of_one_group(app: App, seen: Seen) -> None:
    @app.subscribe(OrderCreated, group="shop")
    def created(order: OrderCreated) -> None:
        seen(("created", order.order_id))

    @app.subscribe(OrderPaid, group="shop", prefetch=3)
    async def paid(order: OrderPaid) -> None:
        seen(("paid", order.order_id))

    @app.subscribe("stock.*", group="shop", prefetch=9)
    def stock(event: dict[str, Any]) -> None:
        seen(("stock", event["item"]))

    assert app.prefetches() == {"events.shop": 3}
    with app.worker(threads=1):
        app.publish_many([OrderCreated(order_id="1"), OrderPaid(order_id="2", amount=1.0), StockLow(item="3")])
        assert sorted(seen.wait(3)) == [("created", "1"), ("paid", "2"), ("stock", "3")]


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("first", "second", "common"),
    [
        (OrderCreated, OrderCreated, r"'order\.created'"),
        (OrderCreated, "order.*", r"'order\.\*' and 'order\.created'"),
        ("order.#", "*.created", r"'\*\.created' and 'order\.#'"),
        ("#", "x", "'#' and 'x'"),
    ],
)
def test_two_handlers_of_one_group_take_no_event_both(app: App, first: Any, second: Any, common: str) -> None:
    def one(event: dict[str, Any]) -> None: ...
    def other(event: dict[str, Any]) -> None: ...

    app.subscribe(first, group="shop")(one)
    with pytest.raises(ConfigurationError, match=rf"Two handlers of group 'shop' take the same events \({common}\).*one and .*other"):
        app.subscribe(second, group="shop")(other)
    router = Router()
    router.subscribe(second, group="shop")(other)
    with pytest.raises(ConfigurationError, match="Two handlers of group 'shop'"):
        app.include(router)


def test_a_module_imported_once_more_declares_the_same(app: App) -> None:
    for _ in range(2):

        @app.subscribe(OrderCreated, group="shop")
        def handle(order: OrderCreated) -> None: ...

    group = app.parts.find("subscription", "shop")
    assert isinstance(group, EventGroup)
    assert len(group.members) == 1


def test_routers_share_groups(app: App, seen: Seen) -> None:
    first, second = Router(), Router()

    @first.subscribe(OrderCreated, group="shop")
    def created(order: OrderCreated) -> None:
        seen("created")

    @second.subscribe(OrderPaid, group="shop")
    def paid(order: OrderPaid) -> None:
        seen("paid")

    with pytest.raises(ConfigurationError, match=r"app\.include\(router\)"):
        created.dead_letters.count()
    app.include(first, second)
    with app.worker(threads=1):
        app.publish(OrderCreated(order_id="1"))
        app.publish(OrderPaid(order_id="1", amount=1.0))
        assert sorted(seen.wait(2)) == ["created", "paid"]
    assert created.dead_letters.count() == 0


def test_one_function_in_two_groups(app: App, seen: Seen) -> None:
    @app.subscribe(OrderCreated, group="a")
    @app.subscribe(OrderCreated, group="b")
    def handle(order: OrderCreated) -> None:
        seen(current.message.id)

    with app.worker(threads=1):
        id = app.publish(OrderCreated(order_id="1"))
        assert seen.wait(2) == [id, id]


def test_the_attributes_of_what_is_handled(app: App, seen: Seen) -> None:
    @app.subscribe("#", group="all")
    def handle(event: Any) -> None:
        seen(current.event)

    with pytest.raises(NoCurrentTask, match=r"current\.event is only there while a worker runs a handler of events"):
        current.event
    with app.worker(threads=1):
        app.publish(StockLow(item="x"), id="mine", subject="lamps", headers={"by": "me"})
        (event,) = seen.wait(1)
    assert (event.id, event.type, event.source, event.subject) == ("mine", "stock.low", "app", "lamps")
    assert (dict(event.headers), event.time.tzinfo is not None) == ({"by": "me"}, True)


def test_in_a_task_there_is_no_event(app: App) -> None:
    @app.task
    def work() -> str:
        return str(current.event)

    with app.worker(threads=1), pytest.raises(NoCurrentTask, match=r"What runs is .*work, and its message is no event"):
        work.delay().get(timeout=10)


# Order


def test_one_key_in_order_others_beside(app: App, seen: Seen) -> None:
    busy, overlapping = set[str](), list[str]()

    @app.subscribe(Numbered, group="orders")
    def handle(event: Numbered) -> None:
        if event.key in busy:
            overlapping.append(event.key)
        busy.add(event.key)
        seen(event)
        busy.discard(event.key)

    events = [Numbered(key=str(number % 7), number=number) for number in range(300)]
    with app.worker(threads=4):
        app.publish_many(events)
        handled = seen.wait(300)
    assert not overlapping
    for key in "0123456":
        assert [event.number for event in handled if event.key == key] == [one.number for one in events if one.key == key]


@pytest.mark.parametrize(("order", "expected"), [("wait", "a1 a1 a2 a3"), ("skip", "a1 a2 a3 a1")])
def test_an_event_that_is_retried_holds_up_its_key_or_does_not(app: App, seen: Seen, order: str, expected: str) -> None:
    @app.subscribe(Numbered, group="orders", order=order, retry=Retry(max=3, base=0.3, jitter=False))
    def handle(event: Numbered) -> None:
        seen(f"{event.key}{event.number}")
        if event.number == 1 and current.task.attempt == 1:
            raise OSError("not now")

    app.publish_many(numbers("a1", "a2", "a3"))
    with app.worker(threads=1):
        assert " ".join(seen.wait(4)) == expected


def test_each_group_has_its_own_way_with_order(app: App, seen: Seen) -> None:
    """One event, one key, two groups: what is the publisher's is the key; whether others wait is the group's."""

    def failing(group: str) -> Any:
        def handle(event: Numbered) -> None:
            seen((group, event.number))
            if event.number == 1 and current.task.attempt == 1:
                raise OSError("not now")

        return handle

    retry = Retry(max=3, base=0.3, jitter=False)
    app.subscribe(Numbered, group="waits", retry=retry)(failing("waits"))
    app.subscribe(Numbered, group="skips", retry=retry, order="skip")(failing("skips"))
    app.publish_many(numbers("a1", "a2"))
    with app.worker(threads=2):
        handled = seen.wait(6)
    assert [number for group, number in handled if group == "waits"] == [1, 1, 2]
    assert [number for group, number in handled if group == "skips"] == [1, 2, 1]


# Failing


def test_no_policy_is_a_dead_letter_at_once(app: App) -> None:
    @app.subscribe(OrderCreated, group="inventory")
    def reserve(order: OrderCreated) -> None:
        raise ValueError("sold out")

    with app.worker(threads=1):
        id = app.publish(OrderCreated(order_id="1"))
        letter = only_letter(reserve)
    assert (letter.source, letter.message.id, letter.error_type) == ("events.inventory", id, "ValueError")
    assert letter.message.body == b'{"order_id":"1","lines":0}'
    assert letter.message.headers["ce_type"] == "order.created"
    assert app.dead_letters(source=reserve).peek() == [letter]


def test_what_is_redriven_comes_again_to_its_group_alone(app: App, seen: Seen) -> None:
    broken = threading.Event()
    broken.set()

    @app.subscribe(OrderCreated, group="inventory")
    def reserve(order: OrderCreated) -> None:
        seen("inventory")
        if broken.is_set():
            raise ValueError("sold out")

    @app.subscribe(OrderCreated, group="audit")
    def audit(order: OrderCreated) -> None:
        seen("audit")

    with app.worker(threads=1):
        app.publish(OrderCreated(order_id="1"))
        only_letter(reserve)
        broken.clear()
        assert reserve.dead_letters.redrive().count == 1
        assert sorted(seen.wait(3)) == ["audit", "inventory", "inventory"]


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"lines":1}', "Object missing required field `order_id`"),
        (b'{"order_id":1}', r"Expected `str`, got `int` - at `\$.order_id`"),
        (b"no json", "JSON is malformed"),
    ],
    ids=["missing", "wrong-type", "no-json"],
)
def test_bodies_from_elsewhere_that_cannot_be_read(app: App, seen: Seen, body: bytes, reason: str) -> None:
    @app.subscribe(OrderCreated, group="inventory", retry=Retry(max=9))
    def reserve(order: OrderCreated) -> None:
        seen(order)

    headers = {"ce_type": "order.created", "ce_source": "elsewhere"}
    send = Send(Address("order.created", "postroad.events"), Message("foreign", body, headers=headers, queued_at=1.0))
    unknown = Message("more", b'{"order_id":"2","new":true}', headers=headers, queued_at=1.0)
    with app.worker(threads=1):
        app.ask(lambda driver: driver.publish([send, Send(send.to, unknown)]))
        letter = only_letter(reserve)
        assert seen.wait(1) == [OrderCreated(order_id="2")]
    assert reason.replace("\\", "") in letter.reason
    assert (letter.error_type, letter.message.body, letter.attempt) == ("postroad.errors.Undecodable", body, 1)


@pytest.mark.bad_input
def test_what_is_no_event_at_all(app: App) -> None:
    @app.subscribe(OrderCreated, group="inventory", batch=10)
    def reserve(orders: list[OrderCreated]) -> None: ...

    with app.worker(threads=1):
        app.ask(lambda driver: driver.publish([Send(Address("events.inventory"), Message("foreign", b"{}", queued_at=1.0))]))
        letter = only_letter(reserve)
    assert "has no ce_type header, so it is no event, and group 'inventory' takes events only" in letter.reason


def test_a_dropped_one_leaves_a_record_in_each_group(app: App) -> None:
    @app.subscribe(OrderCreated, group="inventory", on_error={KeyError: Drop("not ours")})
    def reserve(order: OrderCreated) -> None:
        raise KeyError(order.order_id)

    @app.subscribe(OrderCreated, group="audit")
    def audit(order: OrderCreated) -> None:
        raise Drop("seen it")

    with app.worker(threads=1):
        id = app.publish(OrderCreated(order_id="1"))
        until(lambda: len(records(app, "DROPPED")) == 2)
    found = {record.key: record.value for record in records(app, "DROPPED")}
    assert found.keys() == {f"{id} events.inventory", f"{id} events.audit"}
    assert "not ours" in found[f"{id} events.inventory"]
    assert reserve.dead_letters.count() == 0


def test_early_acknowledged_is_at_most_once(app: App, seen: Seen) -> None:
    @app.subscribe(OrderCreated, group="inventory", ack="early")
    def reserve(order: OrderCreated) -> None:
        seen(order)
        raise ValueError("too late")

    with app.worker(threads=1):
        app.publish(OrderCreated(order_id="1"))
        assert len(seen.wait(1)) == 1
        (record,) = until(lambda: records(app, "FAILED"))
    assert "ValueError: too late" in record.value
    assert reserve.dead_letters.count() == 0


# Batches


def test_batches(app: App, seen: Seen) -> None:
    @app.subscribe(OrderCreated, group="inventory", batch=50, batch_wait=0.2)
    def reserve(orders: list[OrderCreated]) -> None:
        seen([order.order_id for order in orders])

    app.publish_many([OrderCreated(order_id=str(number)) for number in range(120)])
    with app.worker(threads=1):
        until(lambda: sum(map(len, seen.all)) >= 120)
    assert max(map(len, seen.all)) == 50
    assert sorted(id for batch in seen.all for id in batch) == sorted(map(str, range(120)))


async def test_batches_of_coroutines_with_attributes_and_one_bad(app: App, seen: Seen) -> None:
    @app.subscribe("#", group="all", batch=10, batch_wait=0.5)
    async def handle(events: list[CloudEvent[dict[str, Any]]]) -> None:
        seen([event.data["item"] for event in events])
        raise BatchError({at: ValueError("bad") for at, event in enumerate(events) if event.data["item"] == "3"})

    await app.apublish_many([StockLow(item=str(number)) for number in range(5)])
    async with app.worker(threads=1):
        await asyncio.to_thread(until, handle.dead_letters.count)
    (letter,) = await handle.dead_letters.apeek()
    assert letter.message.body == b'{"item":"3"}'


# Inbox


@pytest.mark.parametrize("inbox", [True, "order_id", lambda order: order.order_id], ids=["id", "field", "function"])
def test_an_inbox_handles_one_mark_once(app: App, seen: Seen, inbox: Any) -> None:
    @app.subscribe(OrderCreated, group="inventory", inbox=inbox)
    def reserve(order: OrderCreated) -> None:
        seen(order.lines)

    headers = {"ce_type": "order.created", "ce_source": "elsewhere"}
    sends = [
        Send(
            Address("order.created", "postroad.events"),
            Message(id, f'{{"order_id":"{id}","lines":{line}}}'.encode(), headers=headers, queued_at=1.0),
        )
        for id, line in (("a", 1), ("a", 2), ("b", 3))
    ]
    with app.worker(threads=1):
        app.ask(lambda driver: driver.publish(sends[:1]))
        seen.wait(1)
        app.ask(lambda driver: driver.publish(sends[1:]))
        assert seen.wait(2) == [1, 3]
        until(lambda: records(app, "DUPLICATE"))


# Order by number


class Step(Event, type="step", key="key"):
    key: str
    seq: int
    id: int = 0


def step(key: str, seq: int, id: int = 0) -> Step:
    return Step(key=key, seq=seq, id=id)


@pytest.mark.parametrize("sequence", ["seq", lambda event: event.seq], ids=["field", "function"])
def test_events_in_the_order_of_their_numbers(app: App, seen: Seen, sequence: Any) -> None:
    @app.subscribe(Step, group="ledger", sequence=sequence)
    def book(event: Step) -> None:
        seen((event.key, event.seq))

    @app.subscribe("step", group="audit")
    def audit(event: Step) -> None:
        seen(("audit", event.seq))

    steps = [step("a", 1), step("a", 3), step("b", 1), step("a", 2), step("a", 2), step("b", 2), step("a", 4)]
    app.publish_many(steps)
    with app.worker(threads=2):
        handled = seen.wait(13)
        until(lambda: records(app, "DUPLICATE"))
    assert [number for key, number in handled if key == "a"] == [1, 2, 3, 4]
    assert [number for key, number in handled if key == "b"] == [1, 2]
    assert sorted(number for key, number in handled if key == "audit") == sorted(one.seq for one in steps)


@pytest.mark.bad_input
@pytest.mark.parametrize("on_gap", ["dead-letter", "skip"])
def test_a_gap_waits_and_then_is_given_up_or_skipped(app: App, seen: Seen, on_gap: str) -> None:
    @app.subscribe(Step, group="ledger", sequence="seq", gap_timeout=0.3, on_gap=on_gap)
    def book(event: Step) -> None:
        seen(event.seq)

    app.publish_many([step("a", 1), step("a", 3), step("a", 4)])
    with app.worker(threads=1):
        if on_gap == "skip":
            assert seen.wait(3) == [1, 3, 4]
        else:
            until(lambda: book.dead_letters.count() == 2)
            assert seen.all == [1]
            assert {letter.error_type for letter in book.dead_letters.peek()} == {"SequenceGap"}


@pytest.mark.bad_input
def test_an_event_without_its_number(app: App) -> None:
    @app.subscribe(Step, group="ledger", sequence="sequ")
    def book(event: Step) -> None: ...

    with app.worker(threads=1):
        app.publish(step("a", 1))
        letter = only_letter(book)
    assert "sequence='sequ': the body has no field of this name" in letter.reason


# Broadcast


def test_a_broadcast_is_every_processs_own(url: str, seen: Seen) -> None:
    apps = [App(url), App(url)]
    subscribers = []
    for at, app in enumerate(apps):

        @app.subscribe(StockLow, group="caches", broadcast=True)
        def forget(event: StockLow, at: int = at) -> None:
            seen((at, event.item))

        subscribers.append(forget)
    assert subscribers[0].queue != subscribers[1].queue
    assert all(one.queue.startswith("events.caches.") for one in subscribers)
    assert apps[0].topology().queues == ()
    apps[0].publish(StockLow(item="to nobody"))
    with App(url) as publisher:
        publisher.publish(StockLow(item="before"))
        with apps[0].worker(threads=1), apps[1].worker(threads=1):
            publisher.publish(StockLow(item="lamp"))
            assert sorted(seen.wait(2)) == [(0, "lamp"), (1, "lamp")]
        driver = publisher.engine()
        assert isinstance(driver, Inspectable)
        until(lambda: not [one for one in publisher.ask(lambda _driver: driver.queues()) if "caches" in one.queue])
    for app in apps:
        app.close()


# What cannot be


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("what", "error", "words"),
    [
        ((), ConfigurationError, r'subscribed to nothing: write @app\.subscribe\(OrderCreated\)'),
        ((Event,), ConfigurationError, 'for all of them, subscribe to "#"'),
        ((Undeclared,), ConfigurationError, r"Undeclared is no event: let it inherit postroad\.Event"),
        ((3,), ConfigurationError, "3 is neither an event's class nor a pattern"),
        ((print,), ConfigurationError, "print is neither"),
        (("order.*x",), InvalidPattern, "mixes a wildcard with letters"),
        (("order..x",), InvalidPattern, "empty word"),
        (("",), InvalidPattern, "empty word"),
    ],
)
def test_what_cannot_be_subscribed_to(app: App, what: tuple[Any, ...], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        app.subscribe(*what, group="g")(lambda event: None)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"order": "sometimes"}, InvalidOption, "order='sometimes'"),
        ({"ack": "never"}, InvalidOption, "ack='never'"),
        ({"start": "latest"}, InvalidOption, "start='latest'"),
        ({"start": "earliest"}, NotSupported, "topology apply"),
        ({"batch": 0}, InvalidOption, "batch=0"),
        ({"prefetch": 1, "batch": 2}, InvalidOption, "could never be full"),
        ({"max_deliveries": 0}, InvalidOption, "max_deliveries=0"),
        ({"retry": 3}, InvalidOption, r"retry=Retry\(max=3\)"),
        ({"on_error": {"ValueError": Drop()}}, InvalidOption, "exception type"),
        ({"ack": "early", "retry": Retry()}, InvalidOption, "left before its handler runs"),
        ({"executor": "coroutine"}, InvalidOption, "executor='coroutine' cannot run"),
        ({"batch": 2, "executor": "process"}, NotSupported, "not built yet"),
        ({"group": ""}, InvalidName, "no group name"),
        ({"inbox": 3}, InvalidOption, "inbox=3"),
        ({"on_gap": "wait"}, InvalidOption, "on_gap='wait'"),
        ({"gap_timeout": "soon"}, InvalidOption, "gap_timeout"),
        ({"gap_timeout": 0, "sequence": "lines"}, InvalidOption, "gap_timeout=0"),
        ({"sequence": 3}, InvalidOption, "sequence=3"),
        ({"sequence": "lines", "broadcast": True}, InvalidOption, "broadcast"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else None,
)
def test_options_that_cannot_be(app: App, options: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        app.subscribe(OrderCreated, **{"group": "g", **options})(lambda event: None)


@pytest.mark.bad_input
def test_numbers_order_the_events_of_a_key(app: App) -> None:
    with pytest.raises(ConfigurationError, match="StockLow has none: say it where it is declared, key="):
        app.subscribe(StockLow, group="g", sequence="item")(lambda event: None)


@pytest.mark.bad_input
def test_a_broadcast_and_others_in_one_group(app: App) -> None:
    app.subscribe(OrderCreated, group="g", broadcast=True)(lambda event: None)
    with pytest.raises(ConfigurationError, match="broadcast=True and without"):
        app.subscribe(OrderPaid, group="g")(lambda event: None)


@pytest.mark.bad_input
def test_what_is_no_function(app: App) -> None:
    @app.task
    def work(order: OrderCreated) -> None: ...

    with pytest.raises(ConfigurationError, match=r"write a def, which may call task\.delay"):
        app.subscribe(OrderCreated)(work)
    with pytest.raises(ConfigurationError, match="declares functions"):
        app.subscribe(OrderCreated)(print)


@pytest.mark.bad_input
def test_a_lambda_needs_a_group(app: App) -> None:
    with pytest.raises(InvalidName, match="A lambda has no name for a group that stays"):
        app.subscribe(OrderCreated)(lambda event: None)


@pytest.mark.bad_input
def test_a_function_of_main_needs_a_group(app: App) -> None:
    def handle(order: OrderCreated) -> None: ...

    handle.__module__ = "__main__"
    handle.__qualname__ = "handle"
    import sys
    from types import ModuleType

    main, sys.modules["__main__"] = sys.modules["__main__"], ModuleType("__main__")
    try:
        with pytest.raises(InvalidName, match='group="inventory"'):
            app.subscribe(OrderCreated)(handle)
        assert app.subscribe(OrderCreated, group="g")(handle).group == "g"
    finally:
        sys.modules["__main__"] = main

"""Publishing: what goes out, what is refused, and what the store is told of types."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from tests.events.conftest import Seen, until
from tests.events.shop import OrderCreated, OrderPaid, StockLow, Undeclared

from postroad import App, CloudEvent, Message, current
from postroad.core.message import BODY_BYTES_MAX
from postroad.core.writes import Document
from postroad.errors import (
    BlockingCallOnLoop,
    ConfigurationError,
    InvalidOption,
    TooLarge,
    Unroutable,
    Unserialisable,
)
from postroad.ports.driver import Inspectable
from postroad.ports.store import Store


@pytest.fixture
def waiting(app: App) -> Callable[[], list[Message]]:
    """What waits in the queue of one group that takes everything."""

    @app.subscribe("#", group="all")
    def handle(event: dict[str, Any]) -> None: ...

    def peek() -> list[Message]:
        driver = app.engine()
        assert isinstance(driver, Inspectable)
        found = app.ask(lambda _driver: driver.peek("events.all", 10_000))
        return [one.message for one in found]

    return peek


def test_on_the_wire(app: App, waiting: Callable[[], list[Message]]) -> None:
    id = app.publish(OrderCreated(order_id="17", lines=2))
    (message,) = waiting()
    assert message.id == id
    assert message.body == b'{"order_id":"17","lines":2}'
    assert message.headers == {"ce_type": "order.created", "ce_source": "app"}
    assert (message.key, message.priority, message.dedupe, message.content_type) == ("17", 4, False, "application/json")


def test_with_attributes(app: App, waiting: Callable[[], list[Message]]) -> None:
    id = app.publish(
        StockLow(item="lamp"),
        id="mine",
        source="warehouse",
        time=datetime(2026, 1, 31, 13, 0, tzinfo=UTC),
        subject="lamps",
        headers={"by": "me", "ce_tenant": "t1"},
        delay="1h",
        priority=9,
    )
    (message,) = waiting()
    assert id == message.id == "mine"
    assert message.headers == {
        "ce_type": "stock.low", "ce_source": "warehouse", "ce_subject": "lamps", "ce_time": "2026-01-31T13:00:00Z", "by": "me",
        "ce_tenant": "t1",
    }  # fmt: skip
    assert (message.key, message.priority, message.dedupe) == (None, 9, True)
    assert message.due_at == pytest.approx(message.queued_at + 3600)


def test_a_time_without_a_zone_is_in_the_apps() -> None:
    with App("memory://", timezone="Europe/Berlin") as app:
        seen: list[datetime] = []

        @app.subscribe("#", group="all")
        def handle(event: CloudEvent[Any]) -> None:
            seen.append(event.time)

        with app.eager():
            app.publish(StockLow(item="lamp"), time=datetime(2026, 1, 31, 13, 0))
        assert seen == [datetime(2026, 1, 31, 12, 0, tzinfo=UTC)]


def test_many_in_order(app: App, waiting: Callable[[], list[Message]]) -> None:
    events: list[Any] = [OrderCreated(order_id=str(number)) for number in range(4_500)]
    events[100] = StockLow(item="lamp")
    ids = app.publish_many(iter(events))
    messages = waiting()
    assert [message.id for message in messages] == ids
    assert len(ids) == 4_500
    assert messages[100].headers["ce_type"] == "stock.low"
    assert msgspec.json.decode(messages[4_499].body)["order_id"] == "4499"
    assert app.publish_many([]) == []


async def test_the_awaited_twins(app: App, waiting: Callable[[], list[Message]]) -> None:
    first = await app.apublish(OrderCreated(order_id="1"), id="mine")
    more = await app.apublish_many([OrderCreated(order_id="2"), StockLow(item="x")])
    assert [message.id for message in await asyncio.to_thread(waiting)] == [first, *more]
    with pytest.raises(BlockingCallOnLoop, match=r"await app\.apublish\("):
        app.publish(OrderCreated(order_id="1"))
    with pytest.raises(BlockingCallOnLoop, match=r"await app\.apublish_many\("):
        app.publish_many([OrderCreated(order_id="1")])


def test_to_nobody_is_no_error_unless_it_is_said(app: App) -> None:
    assert app.publish(StockLow(item="lamp"))
    with pytest.raises(Unroutable, match=r"stock\.low"):
        app.publish(StockLow(item="lamp"), mandatory=True)
    driver = app.engine()
    assert isinstance(driver, Inspectable)
    assert app.ask(lambda _driver: driver.counters())["unrouted"] >= 1


def test_twice_with_one_id_is_handled_once(app: App, seen: Seen) -> None:
    @app.subscribe(OrderCreated, group="inventory")
    def reserve(order: OrderCreated) -> None:
        seen(order.order_id)

    for order_id, id in (("1", "a"), ("2", "a"), ("3", "b")):
        app.publish(OrderCreated(order_id=order_id), id=id)
    with app.worker(threads=1):
        app.publish(OrderCreated(order_id="4"), id="a")
        app.publish(OrderCreated(order_id="5"))
        assert seen.wait(3) == ["1", "3", "5"]


def test_inside_a_handler_it_leaves_with_its_success(app: App, seen: Seen) -> None:
    @app.subscribe(OrderCreated, group="inventory")
    def reserve(order: OrderCreated) -> None:
        app.publish(OrderPaid(order_id=order.order_id, amount=1.0))
        app.publish(StockLow(item=order.order_id), send_now=True)
        app.publish_many([StockLow(item=f"{order.order_id} again")])
        if order.order_id == "fails":
            raise ValueError("no")

    @app.subscribe(OrderPaid, StockLow, group="audit")
    def audit(event: OrderPaid | StockLow) -> None:
        seen(event)

    with app.worker(threads=1):
        app.publish(OrderCreated(order_id="fails"))
        until(lambda: reserve.dead_letters.count())
        assert seen.wait(1) == [StockLow(item="fails")]
        app.publish(OrderCreated(order_id="7"))
        found = seen.wait(4)[1:]
        assert set(map(str, found)) == set(
            map(str, [StockLow(item="7"), OrderPaid(order_id="7", amount=1.0), StockLow(item="7 again")])
        )


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("event", "words"),
    [
        ({"order_id": "1"}, r"publish takes an event, and got dict.*inherits postroad\.Event"),
        ("OrderCreate", r"got str.*did you mean OrderCreated\(\.\.\.\)\?"),
        (OrderCreated, r"got the class OrderCreated: app\.publish\(OrderCreated\(\.\.\.\)\)"),
        (Undeclared("x"), r'Undeclared is no event: let it inherit postroad\.Event, or write @app\.event\("its\.type"\)'),
        (None, "publish takes an event, and got NoneType"),
        (
            CloudEvent(id="1", source="s", type="t", time=datetime.now(UTC), data=1),
            r"takes the event itself, not the CloudEvent around it: app\.publish\(event\.data",
        ),
    ],
    ids=["dict", "name", "class", "undeclared", "none", "cloudevent"],
)
def test_what_is_no_event(app: App, event: Any, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        app.publish(event)
    with pytest.raises(ConfigurationError, match=words):
        app.publish_many([event])


@pytest.mark.bad_input
def test_a_class_below_a_declared_one_is_none_itself(app: App) -> None:
    @app.event("click")
    @dataclass
    class Click:
        user_id: str

    class DoubleClick(Click):
        pass

    with pytest.raises(ConfigurationError, match=r"DoubleClick inherits the event .*Click and is none itself"):
        app.publish(DoubleClick("me"))


@pytest.mark.bad_input
def test_values_that_nobody_could_read(app: App) -> None:
    wrong: Any = OrderCreated
    with pytest.raises(Unserialisable, match=r"its own type refuses.*Expected `str`, got `int`.*\$\.order_id"):
        app.publish(wrong(order_id=5))
    with pytest.raises(Unserialisable, match=r"no JSON form at \.order_id"):
        app.publish(wrong(order_id=object()))
    with pytest.raises(Unserialisable, match="NaN"):
        app.publish(OrderPaid(order_id="1", amount=math.nan))
    with pytest.raises(TooLarge, match="store it elsewhere"):
        app.publish(StockLow(item="x" * BODY_BYTES_MAX))
    with pytest.raises(InvalidOption, match="over the limit of 512"):
        app.publish(OrderCreated(order_id="x" * 513))


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"id": ""}, "id=''"),
        ({"source": ""}, "source=''"),
        ({"subject": "a\nb"}, "subject="),
        ({"time": 3}, "time=3: write a datetime"),
        ({"priority": 10}, "priority=10"),
        ({"delay": -1}, "delay"),
        ({"headers": {"postroad-task": "x"}}, "the engine's own"),
        ({"headers": {"ce_type": "x"}}, "options of publish: id, source, time, subject"),
        ({"timeout": "soon"}, "timeout"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_options_that_cannot_be(app: App, options: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidOption, match=words):
        app.publish(StockLow(item="x"), **options)


def types_seen(app: App) -> dict[str, Any]:
    driver = app.engine()
    assert isinstance(driver, Store)
    found: Any = app.ask(lambda _driver: driver.scan("event-type"))
    documents: list[Document] = list(found)
    return {document.key: msgspec.json.decode(document.value) for document in documents}


def test_types_are_told_to_the_store_once(url: str) -> None:
    with App(url, name="shop") as app:
        app.publish(OrderCreated(order_id="1"))
        app.publish_many([StockLow(item="1"), StockLow(item="2")])
        types = types_seen(app)
        assert types.keys() == {"order.created", "stock.low"}
        order = types["order.created"]
        assert (order["source"], order["key"], order["topic"]) == ("shop", "order_id", None)
        assert "order_id" in str(order["schema"])
        first_seen_at = datetime.fromtimestamp(order["first_seen_at"], UTC)
        assert datetime.now(UTC) - first_seen_at < timedelta(minutes=1)
    with App(url, name="other") as again:
        again.publish(OrderCreated(order_id="2"))
        assert types_seen(again)["order.created"] == order


def test_types_that_a_handler_publishes_are_told_too(app: App, seen: Seen) -> None:
    @app.subscribe(OrderCreated, group="inventory")
    def reserve(order: OrderCreated) -> None:
        app.publish(StockLow(item=current.event.id))

    with app.worker(threads=1):
        app.publish(OrderCreated(order_id="1"))
        until(lambda: "stock.low" in types_seen(app))


def test_classes_declared_otherwise_are_published_as_well(app: App, seen: Seen) -> None:
    pydantic = pytest.importorskip("pydantic")

    @app.event("visit", key="user_id")
    class Visit(pydantic.BaseModel):  # type: ignore[name-defined,misc]
        user_id: int
        at: datetime

    @app.event("click", key=lambda click: click.user_id)
    @dataclass(frozen=True)
    class Click:
        user_id: int

    @app.subscribe(Visit, Click, group="web")
    def handle(event: Visit | Click) -> None:
        seen((event, current.message.key))

    visit, click = Visit(user_id=1, at=datetime(2026, 1, 1, tzinfo=UTC)), Click(2)
    with app.worker(threads=1):
        app.publish(visit)
        app.publish(click)
        assert seen.wait(2) == [(visit, "1"), (click, "2")]
    assert "properties" in types_seen(app)["visit"]["schema"]

"""Classes of events: what is said of them in their own line, and in ``@app.event``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec
import pytest

from postroad import App, Event, Router
from postroad.errors import ConfigurationError, InvalidName
from postroad.events.event import EventMeta
from postroad.events.facts import EventFacts, facts_of

T = TypeVar("T")


def made(name: str, fields: dict[str, Any], **options: Any) -> Any:
    """A class of events, made at run time."""
    return EventMeta(name, (Event,), {"__annotations__": fields, "__module__": __name__}, **options)


def test_what_is_said_in_its_own_line() -> None:
    class OrderCreated(Event, type="order.created", key="order_id", topic="shop"):
        order_id: str
        lines: list[int] = msgspec.field(default_factory=list[int])

    assert facts_of(OrderCreated) == EventFacts("order.created", "order_id", "shop")
    event = OrderCreated(order_id="1")
    assert (event.order_id, event.lines) == ("1", [])
    assert event == OrderCreated(order_id="1")
    changed: Any = event
    with pytest.raises(AttributeError):
        changed.order_id = "2"
    positional: Any = OrderCreated
    with pytest.raises(TypeError):
        positional("1")


def test_the_type_is_by_default_the_name_of_the_class() -> None:
    class StockLow(Event):
        item: str

    assert facts_of(StockLow) == EventFacts("StockLow")


def test_inheritance() -> None:
    class ShopEvent(Event, type="shop", key="shop_id", topic="shops"):
        shop_id: int

    class Opened(ShopEvent, type="shop.opened"):
        by: str

    class Closed(Opened, type="shop.closed", key=lambda event: event.by):
        pass

    assert Opened(shop_id=1, by="me").shop_id == 1
    assert facts_of(Opened) == EventFacts("shop.opened", "shop_id", "shops")
    closed = facts_of(Closed)
    assert closed is not None
    assert callable(closed.key)
    assert closed.topic == "shops"


def test_generic_events() -> None:
    class Changed(Event, Generic[T], type="thing.changed"):
        before: T
        after: T

    assert facts_of(type(Changed[int](before=1, after=2))) == EventFacts("thing.changed")


def test_other_options_are_those_of_msgspec() -> None:
    kind = made("Short", {"order_id": str}, type="short", rename="camel")
    assert msgspec.json.encode(kind(order_id="1")) == b'{"orderId":"1"}'


@pytest.mark.bad_input
@pytest.mark.parametrize("name", ["order.*", "order.#", "order..created", ".order", "", "order\n", "x" * 201, "a*b"])
def test_types_that_cannot_be_routed(name: str) -> None:
    with pytest.raises(InvalidName):
        made("Wrong", {"order_id": str}, type=name)


@pytest.mark.bad_input
def test_keys_that_are_not_there() -> None:
    with pytest.raises(ConfigurationError, match=r"key='order_idd'.* did you mean 'order_id'\?.* key=lambda event"):
        made("Wrong", {"order_id": str}, key="order_idd")
    with pytest.raises(ConfigurationError, match="the name of a field, or a function"):
        made("Wrong", {"order_id": str}, key=3)


@pytest.mark.bad_input
def test_an_event_does_not_change() -> None:
    with pytest.raises(ConfigurationError, match="an event is a fact"):
        made("Wrong", {"order_id": str}, frozen=False)


def test_over_a_dataclass_a_struct_and_a_model(app: App) -> None:
    pydantic = pytest.importorskip("pydantic")

    @dataclass
    class Click:
        user_id: str

    class Hit(msgspec.Struct):
        user_id: str

    class Visit(pydantic.BaseModel):  # type: ignore[name-defined,misc]
        user_id: str

    for kind, name in ((Click, "click"), (Hit, "hit"), (Visit, "visit")):
        assert app.event(name, key="user_id")(kind) is kind
        assert facts_of(kind) == EventFacts(name, "user_id")
        assert app.parts.find("event", name) is not None
        app.event(name, key="user_id")(kind)


def test_a_router_declares_events_too(app: App) -> None:
    router = Router()

    @router.event("click")
    @dataclass
    class Click:
        user_id: str

    app.include(router)
    assert app.parts.find("event", "click") is not None
    assert Click("me").user_id == "me"
    assert not hasattr(router, "publish")


@pytest.mark.bad_input
def test_classes_that_cannot_be_declared(app: App) -> None:
    class Plain:
        pass

    with pytest.raises(ConfigurationError, match=r"^Plain cannot be an event.*@app\.event stands above @dataclass"):
        app.event("plain", key="x")(Plain)
    with pytest.raises(ConfigurationError, match="cannot be an event"):
        app.event("plain")(Plain)
    decorate: Any = app.event("function")
    with pytest.raises(ConfigurationError, match="declares classes"):
        decorate(lambda: 1)


@pytest.mark.bad_input
def test_one_class_has_one_type_and_one_type_one_class(app: App) -> None:
    @app.event("click")
    @dataclass
    class Click:
        user_id: str

    @dataclass
    class Other:
        user_id: str

    with pytest.raises(ConfigurationError, match=r"Click is the event 'click' already, and here 'clack': say it once"):
        app.event("clack")(Click)
    with pytest.raises(ConfigurationError, match="Two declarations of event 'click'"):
        app.event("click")(Other)

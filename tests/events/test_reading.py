"""What a handler of events is called with, by its parameter's annotation."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Optional

import msgspec
import pytest
from tests.events.shop import OrderCreated, OrderPaid, StockLow

from postroad import App, CloudEvent, Message
from postroad.errors import ConfigurationError, Undecodable

if TYPE_CHECKING:
    from decimal import Decimal

ORDER = OrderCreated(order_id="17")
PLAIN = {"order_id": "17", "lines": 0}


class Slip(msgspec.Struct):
    """Part of an order, for those who need no more."""

    order_id: str


def message(event: Any, type_name: str, **headers: str) -> Message:
    body = event if isinstance(event, bytes) else msgspec.json.encode(event)
    return Message("id-1", body, headers={"ce_type": type_name, "ce_source": "shop", **headers}, queued_at=1_700_000_000.0)


def read(function: Callable[..., Any], *what: Any, of: Message | None = None, **options: Any) -> Any:
    """What the function would be called with."""
    subscriber: Any = App("memory://").subscribe(*what, group="g", **options)(function)
    return subscriber.handler.decode(of or message(ORDER, "order.created"))[0][0]


def test_the_class_itself() -> None:
    def handle(order: OrderCreated) -> None: ...

    assert read(handle, OrderCreated) == ORDER
    assert read(handle, "order.created") == ORDER
    assert read(handle, "order.*") == ORDER


def test_without_an_annotation() -> None:
    def handle(event) -> None: ...  # type: ignore[no-untyped-def]

    assert read(handle, OrderCreated) == ORDER
    assert read(handle, OrderCreated, OrderPaid) == PLAIN
    assert read(handle, OrderCreated, "stock.#") == PLAIN
    assert read(handle, "order.*") == PLAIN


def test_plain_data() -> None:
    def typed(event: dict[str, Any]) -> None: ...
    def bare(event: dict) -> None: ...  # type: ignore[type-arg]
    def mapping(event: Mapping[str, Any]) -> None: ...
    def anything(event: Any) -> None: ...
    def thing(event: object) -> None: ...

    for function in (typed, bare, mapping, anything, thing):
        assert read(function, "order.*") == PLAIN
    for function in (typed, bare, mapping):
        assert read(function, OrderCreated) == PLAIN
    for function in (anything, thing):
        assert read(function, OrderCreated) == ORDER
        assert read(function, "#", of=message([1], "other")) == [1]


def test_unions_choose_by_the_type() -> None:
    def handle(event: OrderCreated | OrderPaid) -> None: ...
    def optional(event: Optional[OrderCreated] = None) -> None: ...  # noqa: UP045
    def rest(event: OrderCreated | dict[str, Any]) -> None: ...

    paid = OrderPaid(order_id="17", amount=2.0)
    assert read(handle, OrderCreated, OrderPaid) == ORDER
    assert read(handle, OrderCreated, OrderPaid, of=message(paid, "order.paid")) == paid
    assert read(handle, "order.*", of=message(paid, "order.paid")) == paid
    assert read(optional, OrderCreated) == ORDER
    assert read(rest, "#") == ORDER
    assert read(rest, "#", of=message({"a": 1}, "other")) == {"a": 1}
    with pytest.raises(Undecodable, match=r"The event order\.lost is none of those.* takes: OrderCreated \| OrderPaid"):
        read(handle, "order.*", of=message(PLAIN, "order.lost"))


def test_with_attributes() -> None:
    def handle(event: CloudEvent[OrderCreated]) -> None: ...
    def plain(event: CloudEvent[dict[str, Any]]) -> None: ...
    def unsaid(event: CloudEvent) -> None: ...  # type: ignore[type-arg]
    def either(event: CloudEvent[OrderCreated] | CloudEvent[OrderPaid]) -> None: ...
    def inside(event: CloudEvent[OrderCreated | OrderPaid]) -> None: ...

    given = message(ORDER, "order.created", ce_subject="s", ce_time="2026-01-31T12:00:00Z", by="me", ce_tenant="t")
    found = read(handle, OrderCreated, of=given)
    assert found == CloudEvent(
        id="id-1",
        source="shop",
        type="order.created",
        time=datetime(2026, 1, 31, 12, tzinfo=UTC),
        data=ORDER,
        subject="s",
        headers={"by": "me"},
        extensions={"tenant": "t"},
    )
    assert (found.specversion, found.datacontenttype) == ("1.0", "application/json")
    assert read(plain, OrderCreated).data == PLAIN
    assert read(unsaid, OrderCreated).data == ORDER
    assert read(unsaid, "order.*").data == PLAIN
    assert read(either, OrderCreated, OrderPaid).data == ORDER
    assert read(inside, "order.*").data == ORDER
    assert read(handle, OrderCreated).time == datetime.fromtimestamp(1_700_000_000, UTC)


@pytest.mark.bad_input
def test_a_time_that_is_none() -> None:
    def handle(event: CloudEvent[OrderCreated]) -> None: ...

    with pytest.raises(Undecodable, match="ce_time header is no time: 'yesterday'"):
        read(handle, OrderCreated, of=message(ORDER, "order.created", ce_time="yesterday"))


def test_lists() -> None:
    def handle(orders: list[OrderCreated]) -> None: ...
    def whole(events: Sequence[CloudEvent[Any]]) -> None: ...
    def unsaid(events) -> None: ...  # type: ignore[no-untyped-def]
    def bare(events: list) -> None: ...  # type: ignore[type-arg]

    assert read(handle, OrderCreated, batch=10) == ORDER
    assert read(whole, "#", batch=10).data == PLAIN
    assert read(unsaid, OrderCreated, batch=10) == ORDER
    assert read(bare, OrderCreated, batch=10) == ORDER


def test_a_base_class_gets_the_event_itself() -> None:
    class ShopEvent(OrderCreated, type="shop"):
        pass

    class Opened(ShopEvent, type="shop.opened"):
        by: str

    def handle(event: ShopEvent) -> None: ...

    opened = Opened(order_id="1", by="me")
    assert read(handle, Opened, of=message(opened, "shop.opened")) == opened


def test_another_class_by_the_types_name() -> None:
    def handle(slip: Slip) -> None: ...
    def noted(slip: Annotated[Slip, "a note"]) -> None: ...

    assert read(handle, "order.created") == Slip("17")
    assert read(noted, "order.created") == Slip("17")


def test_more_parameters_have_defaults() -> None:
    def handle(order: OrderCreated, dry: bool = False, *more: int, **named: int) -> None: ...

    assert read(handle, OrderCreated) == ORDER


def test_unknown_fields_are_ignored() -> None:
    def handle(order: OrderCreated) -> None: ...

    assert read(handle, OrderCreated, of=message({**PLAIN, "new": 1}, "order.created")) == ORDER


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"lines":1}', r"The event order\.created cannot be read: Object missing required field `order_id`"),
        (b'{"order_id":17}', r"Expected `str`, got `int` - at `\$\.order_id`"),
        (b"[]", "Expected `object`, got `array`"),
        (b"order", "JSON is malformed"),
        (b'{"order_id":"\xff"}', "cannot be read"),
        (b"", "truncated"),
        (b'{"order_id":"1","more":' + b"[" * 10_000 + b"]" * 10_000 + b"}", "cannot be read"),
    ],
    ids=["missing", "wrong-type", "no-object", "no-json", "no-utf8", "empty", "deep"],
)
def test_bodies_that_cannot_be_read(body: bytes, words: str) -> None:
    def handle(order: OrderCreated) -> None: ...

    with pytest.raises(Undecodable, match=words):
        read(handle, OrderCreated, of=message(body, "order.created"))


def no_parameter() -> None: ...
def only_named(*, event: OrderCreated) -> None: ...
def two(order: OrderCreated, other: int) -> None: ...
def other_class(order: OrderPaid) -> None: ...
def other_classes(order: CloudEvent[OrderPaid | StockLow]) -> None: ...
def a_list(orders: list[OrderCreated]) -> None: ...
def a_number(order: int) -> None: ...
def opaque(order: threading_lock) -> None: ...  # type: ignore[name-defined]  # noqa: F821
def unseen(order: Decimal) -> None: ...
def half(event: CloudEvent[OrderCreated] | OrderPaid) -> None: ...
def a_file(event: json.JSONDecoder) -> None: ...


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("function", "what", "options", "words"),
    [
        (no_parameter, OrderCreated, {}, r"no_parameter\(\) takes nothing.* write `def no_parameter\(event: OrderCreated\) -> None`"),
        (only_named, OrderCreated, {}, "write `def only_named"),
        (two, OrderCreated, {}, r"asks for 2 arguments, .*\(current\.message"),
        (other_class, OrderCreated, {}, r"subscribed to OrderCreated and takes OrderPaid.*@app\.subscribe\('order\.created'\)"),
        (other_classes, OrderCreated, {}, r"takes OrderPaid \| StockLow"),
        (a_list, OrderCreated, {}, "takes a list, and is called with one event: give batch=100"),
        (other_class, OrderPaid, {"batch": 10}, r"is called with a list.*list\[OrderPaid\]"),
        (a_number, OrderCreated, {}, "takes int"),
        (opaque, OrderCreated, {}, "'threading_lock' names nothing that is there at run time"),
        (unseen, OrderCreated, {}, "outside `if TYPE_CHECKING:`"),
        (half, OrderCreated, {}, r"CloudEvent\[A \| B\]"),
        (a_file, "order.*", {}, "JSONDecoder, which no event's JSON can become"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_handlers_that_cannot_be_called(
    app: App, function: Callable[..., Any], what: Any, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(ConfigurationError, match=words):
        app.subscribe(what, group="g", **options)(function)


def test_classes_of_a_test_are_found_by_their_names(app: App) -> None:
    @app.event("local")
    @dataclass
    class Local:
        x: int

    def handle(event: Local) -> None: ...

    assert read(handle, Local, of=message({"x": 1}, "local")) == Local(1)

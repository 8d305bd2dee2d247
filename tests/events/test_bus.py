"""``app.eager()``: an in-process event bus."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from tests.events.shop import OrderCreated, OrderPaid, StockLow

from postroad import App, BatchError, CloudEvent, DeadLetterRecord, Event, Retry, current
from postroad.errors import NotSupported, SendRefused, Unroutable


@pytest.fixture
def app() -> App:
    return App("sqlite:////nowhere/at/all.db", name="shop")


@pytest.fixture
def log() -> list[Any]:
    return []


def test_every_group_gets_it_in_the_callers_thread(app: App, log: list[Any]) -> None:
    @app.subscribe(OrderCreated, group="inventory")
    def reserve(order: OrderCreated) -> None:
        log.append(("reserve", order.order_id, threading.current_thread() is threading.main_thread()))

    @app.subscribe("order.*", group="audit")
    def audit(event: CloudEvent[dict[str, Any]]) -> None:
        log.append(("audit", event.data["order_id"], event.source, current.event.type))

    @app.subscribe(StockLow, group="buyers")
    def reorder(event: StockLow) -> None:
        log.append("not this one")

    with app.eager() as bus:
        app.publish(OrderCreated(order_id="1"))
        app.publish_many([OrderCreated(order_id="2"), OrderPaid(order_id="3", amount=1.0)])
    assert log == [
        ("reserve", "1", True),
        ("audit", "1", "shop", "order.created"),
        ("reserve", "2", True),
        ("audit", "2", "shop", "order.created"),
        ("audit", "3", "shop", "order.paid"),
    ]
    assert bus.errors == []


def test_nested_events_come_after_the_handler_and_its_siblings(app: App, log: list[Any]) -> None:
    @app.subscribe(OrderCreated, group="a")
    def first(order: OrderCreated) -> None:
        app.publish(OrderPaid(order_id=order.order_id, amount=1.0))
        log.append("first")

    @app.subscribe(OrderCreated, group="b")
    async def second(order: OrderCreated) -> None:
        await app.apublish(StockLow(item="x"))
        log.append("second")

    @app.subscribe("#", group="c")
    def everything(event: Any) -> None:
        log.append(current.event.type)

    with app.eager():
        app.publish(OrderCreated(order_id="1"))
        log.append("published")
    assert log == ["first", "second", "order.created", "order.paid", "stock.low", "published"]


def test_a_failing_handler_is_isolated_and_sends_nothing(app: App, log: list[Any]) -> None:
    @app.subscribe(OrderCreated, group="a")
    def fails(order: OrderCreated) -> None:
        app.publish(StockLow(item="never"))
        raise ValueError("mine")

    @app.subscribe(OrderCreated, group="b")
    async def fails_too(order: OrderCreated) -> None:
        raise OSError("mine too")

    @app.subscribe("#", group="c")
    def everything(event: Any) -> None:
        log.append(current.event.type)

    with app.eager() as bus:
        id = app.publish(OrderCreated(order_id="1"))
    assert log == ["order.created"]
    assert [(failed.handler.rpartition(".")[2], str(failed.error)) for failed in bus.errors] == [
        ("fails", "mine"),
        ("fails_too", "mine too"),
    ]
    assert {failed.message.id for failed in bus.errors} == {id}


def test_retries_happen_at_once(app: App, log: list[Any]) -> None:
    @app.subscribe(OrderCreated, group="a", retry=Retry(max=2, base="1h"))
    def flaky(order: OrderCreated) -> None:
        log.append(current.task.attempt)
        if order.order_id == "bad" or current.task.attempt < 3:
            raise OSError(f"no {current.task.attempt}")

    with app.eager() as bus:
        app.publish(OrderCreated(order_id="1"), delay="1h")
        assert not bus.errors
        app.publish(OrderCreated(order_id="bad"))
    assert log == [1, 2, 3, 1, 2, 3]
    assert [str(failed.error) for failed in bus.errors] == ["no 3"]


def test_queues_and_exchanges_too(app: App, log: list[Any]) -> None:
    letters = app.queue("letters")
    waiting = app.queue("waiting")
    logs = app.exchange("logs", "topic")
    logs.bind(letters, "kern.*")

    @letters.consumer
    def handle(body: dict[str, Any]) -> None:
        log.append(body)
        if body.get("bad"):
            raise ValueError("bad letter")

    @app.task
    def work(number: int) -> int:
        letters.put({"by": number})
        return number

    with app.eager() as bus:
        letters.put({"n": 1})
        logs.publish({"m": 1}, routing_key="kern.critical")
        logs.publish({"m": 2}, routing_key="user.info")
        assert work.delay(3).get() == 3
        letters.put({"bad": True})
        waiting.put({"nobody": "here"})
        later = app.queue("later")
        logs.bind(later, "user.#")
        logs.publish({"m": 3}, routing_key="user.info")
    assert log == [{"n": 1}, {"m": 1}, {"by": 3}, {"bad": True}]
    assert [str(failed.error) for failed in bus.errors] == ["bad letter"]
    assert [delivery.source for delivery in bus.unhandled] == ["waiting", "later"]


def test_who_handles_dead_letters_is_told(app: App, log: list[Any]) -> None:
    @app.on_dead_letter
    def escalate(letter: DeadLetterRecord) -> None:
        log.append((letter.source, letter.reason, letter.message.headers["ce_type"]))
        raise RuntimeError("and this is told to nobody")

    @app.subscribe(OrderCreated, group="inventory")
    def reserve(order: OrderCreated) -> None:
        raise ValueError("sold out")

    with app.eager() as bus:
        app.publish(OrderCreated(order_id="1"))
    assert log == [("events.inventory", "ValueError: sold out", "order.created")]
    assert len(bus.errors) == 2


def test_batches_marks_and_ids(app: App, log: list[Any]) -> None:
    @app.subscribe(OrderCreated, group="a", batch=10)
    def lists(orders: list[OrderCreated]) -> None:
        log.append([order.order_id for order in orders])
        raise BatchError({0: ValueError("bad")})

    @app.subscribe(OrderCreated, group="b", batch=10)
    async def lists_too(orders: list[OrderCreated]) -> None:
        log.append(len(orders))

    @app.subscribe(OrderCreated, group="c", inbox="order_id")
    def once(order: OrderCreated) -> None:
        log.append("once")

    with app.eager() as bus:
        app.publish(OrderCreated(order_id="1"), id="x")
        app.publish(OrderCreated(order_id="2"), id="x")
        assert log == [["1"], 1, "once"]
        app.publish(OrderCreated(order_id="1"))
    assert log[3:] == [["1"], 1]
    assert [str(failed.error) for failed in bus.errors] == ["bad", "bad"]


async def test_coroutines_run_on_the_callers_loop(app: App, log: list[Any]) -> None:
    @app.subscribe(OrderCreated, group="a")
    async def handle(order: OrderCreated) -> None:
        await app.apublish(StockLow(item=order.order_id))
        log.append(asyncio.get_running_loop())

    @app.subscribe(StockLow, group="b")
    def low(event: StockLow) -> None:
        log.append(event.item)

    with app.eager():
        await app.apublish(OrderCreated(order_id="1"))
        await app.apublish_many([StockLow(item="2")])
    assert log == [asyncio.get_running_loop(), "1", "2"]


def test_to_nobody(app: App, log: list[Any]) -> None:
    class Lonely(Event, type="lonely"):
        x: int

    @app.subscribe(OrderCreated, group="a")
    def handle(order: OrderCreated) -> None:
        app.publish(Lonely(x=1), mandatory=True)
        log.append("ran")

    with app.eager() as bus:
        assert app.publish(Lonely(x=1))
        with pytest.raises(Unroutable, match="nobody takes 'lonely'"):
            app.publish(Lonely(x=1), mandatory=True)
        app.publish(OrderCreated(order_id="1"))
    assert log == ["ran"]
    (failed,) = bus.errors
    assert isinstance(failed.error, SendRefused)


def test_there_is_no_engine_to_look_into(app: App) -> None:
    with app.eager(), pytest.raises(NotSupported, match=r"use app\.testing\(\)"):
        app.queue("letters").depth()
    assert app.has_engine

"""What an app can see of queues, groups, types and what went to nobody, without a coroutine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from postroad import App, Event
from postroad.errors import NotFound


class OrderCreated(Event, type="order.created", key="order_id"):
    """Taken by two groups."""

    order_id: int


class UserBorn(Event, type="user.born"):
    """Taken by nobody."""

    name: str


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    with App(f"sqlite:///{tmp_path}/shop.db", name="shop") as app:
        app.subscribe(OrderCreated, group="inventory")(take)
        app.subscribe("order.#", group="audit")(audit)
        yield app


def take(event: OrderCreated) -> None:
    """Nothing."""


def audit(event: dict[str, Any]) -> None:
    """Nothing."""


def test_event_types_with_what_their_app_says_of_them(app: App) -> None:
    app.publish(OrderCreated(order_id=7))
    app.publish(UserBorn(name="ada"))
    created, born = app.inspect.event_types()
    assert (created.type, created.groups, created.source) == ("order.created", ("audit", "inventory"), "shop")
    assert created.key == "order_id" and "order_id" in str(created.schema) and created.first_seen_at > 0
    assert (born.type, born.groups) == ("user.born", ())


def test_groups_with_what_waits_for_them(app: App) -> None:
    app.publish(OrderCreated(order_id=7))
    found = {group.group: group for group in app.inspect.groups()}
    assert {name: (group.patterns, group.ready, group.consumers) for name, group in found.items()} == {
        "audit": (("order.#",), 1, 0),
        "inventory": (("order.created",), 1, 0),
    }
    with app.worker():
        assert {group.consumers for group in app.inspect.groups()} == {1}


def test_what_went_to_nobody_the_newest_first(app: App) -> None:
    for name in ("ada", "grace"):
        app.publish(UserBorn(name=name))
    newest, oldest = app.inspect.unrouted()
    assert ("grace" in newest.body, "ada" in oldest.body) == (True, True)
    assert (newest.exchange, newest.routing_key) == ("postroad.events", "user.born")
    assert len(app.inspect.unrouted(limit=1)) == 1


def test_peek_and_topology(app: App) -> None:
    app.publish(OrderCreated(order_id=7))
    (message,) = app.inspect.peek("events.audit")
    assert (message.body, message.place, message.key) == ('{"order_id":7}', "ready", "7")
    topology = app.inspect.topology()
    assert {queue.name for queue in topology.queues} == {"events.audit", "events.inventory"}
    assert [exchange.name for exchange in topology.exchanges] == ["postroad.events"]
    with pytest.raises(NotFound):
        app.inspect.peek("nowhere")

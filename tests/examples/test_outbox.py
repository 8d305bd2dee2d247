"""The outbox: what was committed arrives, what was rolled back does not."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import sqlalchemy
from sqlalchemy.orm import Session
from tests.examples.example import Example

from postroad import App, Event
from postroad.reliability import tables

URL = "sqlite:///shop.sqlite3"


def test_outbox(example: Callable[[str], Example]) -> None:
    shop = example("outbox")
    shop.postroad("outbox", "init", "--database", URL)
    assert shop.run("shop.py") == ["order 2: we do not sell this", "2 orders"]
    with shop.worker():
        shop.until(lambda: len(shop.lines("invoices.txt")) == 2)
    assert sorted(shop.lines("invoices.txt")) == ["1 lamp", "3 chair"]
    status = shop.postroad("outbox", "status", "--database", URL, "-o", "json")
    assert '"waiting": 0' in status or '"waiting":0' in status


class OrderPlaced(Event, type="order.placed"):
    order: int


def test_with_sqlalchemy_as_the_page_says(tmp_path: Path) -> None:
    """A Session's transaction takes the event along; one that is rolled back does not."""
    database, arrived = f"sqlite:///{tmp_path}/shop.sqlite3", list[int]()
    engine = sqlalchemy.create_engine(database)
    with engine.begin() as connection:
        for statement in filter(None, map(str.strip, tables.script(tables.SQLITE).split(";"))):
            connection.execute(sqlalchemy.text(statement))
    with App(f"sqlite:///{tmp_path}/engine.db", outbox=database) as app:

        @app.subscribe(OrderPlaced, group="stock")
        def reserve(placed: OrderPlaced) -> None:
            arrived.append(placed.order)

        with Session(engine) as session, session.begin():
            app.outbox(session).publish(OrderPlaced(order=7))
        with Session(engine) as session:
            app.outbox(session).publish(OrderPlaced(order=8))
            session.rollback()
        with app.worker(threads=1):
            until(lambda: arrived)
    assert arrived == [7]
    engine.dispose()


def test_the_inbox_in_a_handlers_own_transaction(tmp_path: Path) -> None:
    """A second copy finds the id that the first one's transaction left."""
    connection = sqlite3.connect(tmp_path / "shop.sqlite3")
    connection.executescript(tables.script(tables.SQLITE) + "CREATE TABLE booked(id TEXT, cents INTEGER);")
    app = App("memory://")
    payments = app.queue("payments")

    @payments.consumer
    def book(payment: dict[str, int]) -> None:
        with connection:
            if app.inbox(connection).first(str(payment["id"])):
                connection.execute("INSERT INTO booked VALUES (?, ?)", (payment["id"], payment["cents"]))

    with app.testing() as t:
        payments.put_many([{"id": 1, "cents": 500}, {"id": 1, "cents": 500}, {"id": 2, "cents": 700}])
        assert t.drain() == 3 and not t.errors
    assert connection.execute("SELECT id, cents FROM booked ORDER BY id").fetchall() == [("1", 500), ("2", 700)]


def until(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)

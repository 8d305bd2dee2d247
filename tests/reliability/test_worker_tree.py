"""A worker of two processes relays; its children are killed; every order has its one effect, in the order of its key."""

from __future__ import annotations

import os
import signal
import textwrap
from pathlib import Path

import pytest
from tests.reliability import shops
from tests.reliability.engines import send, until
from tests.reliability.shops import Shop
from tests.reliability.test_relay import write
from tests.worker.tree import Tree

APP = """
import sqlite3
from postroad import App, current

app = App("sqlite:///{folder}/engine.db", outbox="{url}")
orders = app.queue("orders")

@orders.consumer
def handled(body: str) -> None:
    connection = sqlite3.connect("{folder}/effects.db", timeout=30)
    with connection:
        if app.inbox(connection).first(current.message.id):
            connection.execute("INSERT INTO effects(id) VALUES (?)", (body,))
    connection.close()
"""
TAKEN_OVER_S = 40.0


@pytest.mark.slow
def test_children_that_are_killed(tmp_path: Path) -> None:
    shop, effects = shops.sqlite_shop(tmp_path).make(), effects_of(tmp_path)
    (tmp_path / "jobs.py").write_text(textwrap.dedent(APP).format(folder=tmp_path, url=shop.url))
    tree = Tree(tmp_path, processes=2, threads=2).ready()
    try:
        order(shop, 0, 100)
        until(lambda: len(done(effects)) > 20, "some are handled")
        for child in tree.children():
            os.kill(child, signal.SIGKILL)
        order(shop, 100, 200)
        until(lambda: len(done(effects)) == 200, "all are handled", TAKEN_OVER_S)
        until(lambda: shop.waiting() == 0, "the outbox is empty")
    finally:
        tree.stop()
        shop.close()
        effects.close()
    for key in range(4):
        assert [id for id in done(effects) if int(id) % 4 == key] == [f"{id:04d}" for id in range(key, 200, 4)]


def effects_of(folder: Path) -> Shop:
    from postroad.reliability import ledger
    from postroad.reliability.origins import by_url

    url = f"sqlite:///{folder / 'effects.db'}"
    face = by_url(url, make=True).open()
    ledger.make_tables(face)
    face.execute("CREATE TABLE effects (seq INTEGER PRIMARY KEY, id TEXT)", [{}])
    face.commit()
    face.close()
    return Shop(url, lambda: None)


def order(shop: Shop, first: int, end: int) -> None:
    """One transaction each."""
    _connection, face = shop.open()
    for number in range(first, end):
        id = f"{number:04d}"
        shop.order(face, id)
        write(face, [send(id, f"key {number % 4}")])


def done(effects: Shop) -> list[str]:
    return [id for (id,) in effects.ask("SELECT id FROM effects ORDER BY seq")]

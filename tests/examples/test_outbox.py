"""The outbox: what was committed arrives, what was rolled back does not."""

from __future__ import annotations

from collections.abc import Callable

from tests.examples.example import Example

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

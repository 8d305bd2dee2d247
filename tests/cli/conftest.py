"""A shop on a file of its own, and the command line beside it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.cli.terminal import Terminal

from postroad import App, Result, Task
from postroad.errors import TaskFailed
from postroad.ports.driver import Driver

ADDING = """
import logging
from pathlib import Path
from postroad import App

app = App(f"sqlite:///{Path(__file__).parent}/shop.db")

@app.task(name="shop.add")
def add(x: int, y: int) -> int:
    logging.getLogger("shop").warning("adding\\x1b[31m", extra={"x": x})
    return x + y

@app.task(name="shop.fail")
def fail(text: str) -> None:
    raise ValueError(text)
"""


class Shop:
    """An app in this process whose tasks the command line knows only by name."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.add: Task[[int, int], int, int] = app.task(name="shop.add")(add)
        self.fail: Task[[str], None, None] = app.task(name="shop.fail")(fail)
        self.resize: Task[[str], None, None] = app.task(name="shop.resize", queue="media")(resize)

    def work_off(self, *results: Result[object]) -> None:
        """Run a worker in this process, of the default queue, until these have ended."""
        with self.app.worker(threads=2, queues=["default"]):
            for result in results:
                try:
                    result.get(timeout=20)
                except (TaskFailed, ValueError):
                    continue

    def fail_with(self, *texts: str) -> list[str]:
        """Dead letters with these words; their ids."""
        results = [self.fail.delay(text) for text in texts]
        self.work_off(*results)
        return [result.id for result in results]


def add(x: int, y: int) -> int:
    return x + y


def fail(text: str) -> None:
    raise ValueError(text)


def resize(path: str) -> None:
    """Not run here: it waits."""


class Market:
    """Queues of messages with a consumer each, and a group of subscribers; beside them the task queue ``default``."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.add: Task[[int, int], int, int] = app.task(name="shop.add")(add)
        self.orders = app.queue("orders")
        self.ranked = app.queue("ranked", max_priority=9)
        self.small = app.queue("small", max_length=2, overflow="reject")
        self.brief = app.queue("brief", ttl="0.2s")
        self.orders.consumer(take_order)
        self.brief.consumer(take_order)
        app.subscribe("order.*", group="audit")(audit)

    def declare(self) -> None:
        """On the engine, as `postroad topology apply` does."""

        async def apply(driver: Driver) -> None:
            await driver.apply(await driver.plan(self.app.topology()))

        self.app.ask(apply)


def take_order(body: dict[str, Any]) -> None:
    """Fails when the order says so."""
    if "fail" in body:
        raise ValueError(str(body["fail"]))


def audit(event: dict[str, Any]) -> None:
    """Fails when the event says so."""
    if "fail" in event:
        raise ValueError(str(event["fail"]))


@pytest.fixture
def market(terminal: Terminal) -> Iterator[Market]:
    with App(terminal.url) as app:
        yield Market(app)


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    return Terminal(tmp_path)


@pytest.fixture
def shop(terminal: Terminal) -> Iterator[Shop]:
    with App(terminal.url) as app:
        yield Shop(app)


@pytest.fixture
def module(terminal: Terminal) -> str:
    """The same shop as a module that a worker can import."""
    (terminal.folder / "shop.py").write_text(ADDING)
    return "shop:app"

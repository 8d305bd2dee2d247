"""What consumers of messages ask of a worker's tree: batches that die, early acknowledgement, prefetch, full queues."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from tests.worker.conftest import StartTree
from tests.worker.handlers import eventually
from tests.worker.tree import write_module

from postroad.ports.driver import DeadLetterFilter

SHOP = '''
import os, time
from pathlib import Path
from typing import Any
from postroad import App

app = App(f"sqlite:///{Path(__file__).parent}/shop.db")
HERE = Path(__file__).parent

def note(name, text):
    fd = os.open(HERE / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(fd, f"{text}\\n".encode())
    os.close(fd)

rows = app.queue("rows")
early = app.queue("early")
fair = app.queue("fair")
tiny = app.queue("tiny", max_length=1, overflow="block")
feeder = app.queue("feeder")

@rows.consumer(batch=20, batch_wait=0.2)
def take_rows(batch: list[dict[str, Any]]) -> None:
    note("batch", " ".join(str(row["number"]) for row in batch))
    if any(row.get("poison") for row in batch):
        os.kill(os.getpid(), 9)
    for row in batch:
        note("row", row["number"])

@early.consumer(ack="early")
def take_early(body: dict[str, Any]) -> None:
    note("early", os.getpid())
    if body.get("die"):
        os.kill(os.getpid(), 9)
    raise ValueError("it is gone all the same")

@fair.consumer(prefetch=1)
def take_fair(body: dict[str, Any]) -> None:
    note("fair", body["number"])
    while not (HERE / "go-on").exists():
        time.sleep(0.01)

@feeder.consumer()
def feed(body: dict[str, Any]) -> None:
    note("feeding", body["number"])
    tiny.put(body)

@tiny.consumer(prefetch=1)
def take_tiny(body: dict[str, Any]) -> None:
    while not (HERE / "go-on").exists():
        time.sleep(0.01)
    note("tiny", body["number"])
'''

Lines = Callable[[str], list[str]]


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[ModuleType]:
    path = write_module(tmp_path, "shop", SHOP)
    spec = importlib.util.spec_from_file_location("shop", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["shop"] = module
    spec.loader.exec_module(module)
    yield module
    module.app.close()
    del sys.modules["shop"]


def letters(shop: Any) -> list[Any]:
    return list(shop.app.ask(lambda driver: driver.dead_letters(DeadLetterFilter(), 100)))


def depths(shop: Any) -> dict[str, Any]:
    return {one.queue: one for one in shop.app.inspect.queues()}


def test_a_batch_with_poison_convicts_the_poison_alone(shop: Any, tree: StartTree, lines: Lines) -> None:
    shop.rows.put_many([{"number": number, "poison": number == 7} for number in range(20)])
    worker = tree(app="shop:app", processes=1, threads=2).ready()
    eventually(lambda: letters(shop), "a dead letter", 40)
    eventually(lambda: len(set(lines("row"))) == 19, "the others done", 20)
    (letter,) = letters(shop)
    assert json.loads(letter.message.body)["number"] == 7, worker.log
    assert letter.crashes == 5
    assert sum("7" in line.split() for line in lines("batch")) == 5


def test_early_acknowledged_messages_run_at_most_once(shop: Any, tree: StartTree, lines: Lines) -> None:
    tree(app="shop:app", processes=1, threads=2).ready()
    shop.early.put({"die": True})
    eventually(lambda: lines("early"), "the first run")
    shop.early.put({})
    eventually(lambda: len(lines("early")) == 2, "the second run", 20)
    eventually(lambda: depths(shop)["early"].in_flight == 0 == depths(shop)["early"].ready, "nothing left", 20)
    assert letters(shop) == []


def test_prefetch_leaves_the_rest_to_others(shop: Any, tree: StartTree, lines: Lines) -> None:
    """Two children with four threads each: each holds one, as it was asked to."""
    tree(app="shop:app", processes=2, threads=4).ready()
    shop.fair.put_many([{"number": number} for number in range(10)])
    eventually(lambda: len(lines("fair")) == 2, "one a child")
    eventually(lambda: (depths(shop)["fair"].in_flight, depths(shop)["fair"].ready) == (2, 8), "the rest waits")
    assert len(lines("fair")) == 2
    (shop.HERE / "go-on").touch()
    eventually(lambda: sorted(map(int, lines("fair"))) == list(range(10)), "all ten", 20)


def test_a_handler_that_sends_into_a_full_queue_waits_and_does_not_run_again(
    shop: Any, tree: StartTree, lines: Lines
) -> None:
    tree(app="shop:app", processes=1, threads=4).ready()
    shop.feeder.put_many([{"number": number} for number in range(6)])
    eventually(lambda: len(lines("feeding")) >= 3, "handlers that ended, and wait for room")
    assert depths(shop)["tiny"].ready <= 1
    (shop.HERE / "go-on").touch()
    eventually(lambda: sorted(map(int, lines("tiny"))) == list(range(6)), "all six", 25)
    assert sorted(map(int, lines("feeding"))) == list(range(6)), "none ran twice"
    assert letters(shop) == []

"""Groups are durable: what is published while nobody works waits for whoever comes, in whatever process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SHOP = '''
import json, sys
from postroad import App, CloudEvent, Event

app = App({url!r}, name="shop")

class OrderCreated(Event, type="order.created", key="order_id"):
    order_id: str

@app.subscribe(OrderCreated, group="inventory")
def reserve(order: OrderCreated) -> None:
    say("inventory", order.order_id)

@app.subscribe("order.*", group="audit")
def audit(event: CloudEvent[OrderCreated]) -> None:
    say("audit", event.data.order_id)

def say(*words: str) -> None:
    with open({out!r}, "a") as file:
        file.write(json.dumps(words) + "\\n")
'''

HEAVY = '''
import os
from postroad import Retry, current

@app.subscribe(OrderCreated, group="heavy", executor="process", order="skip", retry=Retry(max=1, base=0.2), inbox="order_id")
def compute(order: OrderCreated) -> None:
    say("heavy", order.order_id, str(current.task.attempt), current.event.source, str(os.getpid() != int(os.environ["WORKER_PID"])))
    if current.task.attempt == 1:
        raise ValueError("not at once")
'''
WORK_HEAVILY = """
import os, time
os.environ["WORKER_PID"] = str(os.getpid())
from pathlib import Path
import shop
from shop import OrderCreated
shop.app.engine()
shop.app.publish(OrderCreated(order_id="7"))
deadline = time.monotonic() + 20
with shop.app.worker(threads=1):
    while time.monotonic() < deadline and not (Path({out!r}).exists() and len(Path({out!r}).read_text().splitlines()) >= 4):
        time.sleep(0.01)
"""
DECLARE = "from shop import app; app.engine()"
PUBLISH = """
from shop import OrderCreated, app
app.publish(OrderCreated(order_id="1"))
app.publish_many([OrderCreated(order_id=str(number)) for number in range(2, 6)])
"""
WORK = """
import time
from pathlib import Path
from shop import app
deadline = time.monotonic() + 20
with app.worker(threads=2):
    while time.monotonic() < deadline and not (Path({out!r}).exists() and len(Path({out!r}).read_text().splitlines()) >= {count}):
        time.sleep(0.01)
"""
PUBLISH_FROM_ELSEWHERE = """
from postroad import App, Event
class OrderCreated(Event, type="order.created", key="order_id"):
    order_id: str
with App({url!r}, name="till") as app:
    app.publish(OrderCreated(order_id="6"))
"""


class Shop:
    """An app in a folder, for processes one after the other."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = f"sqlite:///{folder}/shop.db"
        self.out = folder / "out"
        (folder / "shop.py").write_text(SHOP.format(url=self.url, out=str(self.out)))

    def run(self, code: str, **values: Any) -> None:
        source = code.format(url=self.url, out=str(self.out), **values) if "{" in code else code
        done = subprocess.run([sys.executable, "-c", source], cwd=self.folder, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr

    @property
    def said(self) -> list[list[str]]:
        return sorted(json.loads(line) for line in self.out.read_text().splitlines())


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def test_a_group_that_is_there_gets_what_is_published_later(shop: Shop) -> None:
    shop.run(PUBLISH_FROM_ELSEWHERE)
    shop.run(DECLARE)
    shop.run(PUBLISH)
    assert not shop.out.exists()
    shop.run(WORK, count=10)
    assert shop.said == sorted([group, str(number)] for group in ("audit", "inventory") for number in range(1, 6))


def test_a_publisher_need_not_know_the_groups(shop: Shop) -> None:
    shop.run(DECLARE)
    shop.run(PUBLISH_FROM_ELSEWHERE)
    shop.run(WORK, count=2)
    assert shop.said == [["audit", "6"], ["inventory", "6"]]


def test_a_handler_in_a_process_of_its_own(shop: Shop) -> None:
    with (shop.folder / "shop.py").open("a") as file:
        file.write(HEAVY)
    shop.run(WORK_HEAVILY)
    assert [said for said in shop.said if said[0] == "heavy"] == [
        ["heavy", "7", "1", "shop", "True"],
        ["heavy", "7", "2", "shop", "True"],
    ]

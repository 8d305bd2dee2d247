"""Queues between real processes, which die: nothing is lost, and what kills its handlers is found out."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.queues.conftest import until
from tests.worker.tree import Tree, kill, write_module

from postroad import App

SHOP = """
import os, signal, time
from pathlib import Path
from postroad import App, errors

HERE = Path(__file__).parent
app = App(f"sqlite:///{HERE}/shop.db")
work = app.queue("work", max_priority=9)
heavy, other, picked, early = app.queue("heavy"), app.queue("other"), app.queue("picked"), app.queue("early")
done = app.exchange("done", "topic")
results = app.queue("results")
done.bind(results, "done.*")

def note(name, *words):
    with (HERE / name).open("a") as file:
        file.write(" ".join(map(str, words)) + "\\n")

@work.consumer(prefetch=4, max_deliveries=3)
def handle(body):
    note("started", body)
    if body == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.01)
    done.publish(body, "done.work")

@heavy.consumer(executor="process")
def count(body: int) -> None:
    done.publish([body, os.getpid()], "done.heavy")

@other.consumer
def pick(body: str) -> None:
    with picked.receive(timeout=10) as d:
        done.publish([body, d.body], "done.other")

@early.consumer(ack="early")
def once(body: str) -> None:
    note("early", body)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[App]:
    write_module(tmp_path, "shop", SHOP)
    app = App(f"sqlite:///{tmp_path}/shop.db")
    yield app
    app.close()


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[Any]:
    started: list[Tree] = []

    def start(**options: Any) -> Tree:
        started.append(Tree(tmp_path, app="shop:app", **options))
        return started[-1].ready()

    yield start
    for one in started:
        one.stop()


def results(app: App) -> list[Any]:
    return [one.body for one in app.queue("results").peek(10_000)]


def settled(app: App, queue: str = "work") -> bool:
    found = next(one for one in app.inspect.queues() if one.queue == queue)
    return not found.ready + found.delayed + found.in_flight


def test_children_handle_and_publish(shop: App, tree: Any) -> None:
    tree(processes=2, threads=2)
    shop.queue("work", max_priority=9).put_many(range(100))
    until(lambda: len(results(shop)) == 100)
    assert sorted(results(shop)) == list(range(100))


def test_killed_workers_lose_nothing_and_publish_nothing_twice(shop: App, tree: Any) -> None:
    worker = tree(processes=2, threads=2)
    q = shop.queue("work", max_priority=9)
    q.put_many(range(200))
    for share in (30, 80, 130):
        until(lambda: len(results(shop)) >= share)  # noqa: B023
        kill(worker.children()[0])
    until(lambda: settled(shop))
    assert sorted(results(shop)) == list(range(200))
    assert q.dead_letters.count() == 0


def test_a_message_that_kills_its_workers_is_found_out(shop: App, tree: Any) -> None:
    q = shop.queue("work", max_priority=9)
    tree(processes=1, threads=2)
    q.put_many(["kill", *range(20)])
    letter = until(lambda: q.dead_letters.peek())[0]
    until(lambda: settled(shop))
    assert letter.message.body == b'"kill"'
    assert letter.crashes == 3
    assert sorted(results(shop)) == list(range(20))


def test_an_early_acknowledged_message_is_not_handled_again(shop: App, tree: Any, tmp_path: Path) -> None:
    tree(processes=1, threads=1)
    shop.queue("early").put("once")
    until(lambda: (tmp_path / "early").exists() and settled(shop, "early"))
    shop.queue("work", max_priority=9).put("afterwards")
    until(lambda: results(shop) == ["afterwards"])
    assert (tmp_path / "early").read_text() == "once\n"


def test_a_consumer_in_a_process_of_its_own(shop: App, tree: Any) -> None:
    worker = tree(processes=1, threads=1, solos=1)
    shop.queue("heavy").put(7)
    (found,) = until(lambda: results(shop))
    assert found[0] == 7
    assert found[1] not in worker.children()


def test_a_handler_that_pulls(shop: App, tree: Any) -> None:
    tree(processes=1, threads=2)
    shop.queue("other").put("waits")
    until(lambda: not shop.queue("other").depth())
    shop.queue("picked").put("comes")
    until(lambda: results(shop) == [["waits", "comes"]])
    until(lambda: settled(shop, "picked") and settled(shop, "other"))


def test_a_killed_producer_has_put_all_it_was_told_of(shop: App, tmp_path: Path) -> None:
    code = f"""
from postroad import App
q = App("sqlite:///{tmp_path}/shop.db").queue("work", max_priority=9)
for number in range(100_000):
    print(q.put(number), flush=True)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as producer:
        assert producer.stdout is not None
        told = [producer.stdout.readline().strip() for _ in range(100)]
        os.kill(producer.pid, signal.SIGKILL)
        told += producer.stdout.read().split()
    kept = {one.id for one in shop.queue("work", max_priority=9).peek(100_000)}
    assert {id for id in told if len(id) == 36} <= kept
    assert len(kept) - len(told) <= 1

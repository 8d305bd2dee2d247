"""What docs/explanation/pitfalls.md says happens here: one test for each section, by the name that it gives."""

from __future__ import annotations

import re
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from postroad import App, Retry, errors
from postroad.reliability import tables

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "pitfalls.md"
PROGRAM_TIMEOUT_S = 60


def test_the_page_names_these_tests() -> None:
    named = set(re.findall(r"`(test_\w+)`", PAGE.read_text(encoding="utf-8")))
    assert named == {name for name in globals() if name.startswith("test_")} - {"test_the_page_names_these_tests"}


@pytest.fixture
def app() -> App:
    return App("memory://")


def test_a_poisonous_message_ends(app: App) -> None:
    jobs, handled = app.queue("jobs"), list[str]()

    @jobs.consumer(retry=Retry(max=3, base="1m"))
    def work(name: str) -> None:
        handled.append(name)
        if name == "poison":
            raise ValueError("never")

    with app.testing() as t:
        jobs.put_many(["poison", "one", "two"])
        t.drain()
        assert handled == ["poison", "one", "two"]
        t.advance("1h")
        assert handled.count("poison") == 4
        assert [(letter.message.body, letter.attempt) for letter in t.dead_letters] == [(b'"poison"', 4)]
        assert t.advance("7d") == 0


def test_a_retry_keeps_nobody_waiting(app: App) -> None:
    calls, handled = app.queue("calls"), list[str]()

    @calls.consumer(retry=Retry(max=1, base="1h", jitter=False, on=(ConnectionError,)))
    def call(name: str) -> None:
        handled.append(name)
        if handled.count("away") == 1 and name == "away":
            raise ConnectionError

    with app.testing() as t:
        calls.put_many(["away", "next"])
        assert t.drain() == 2, "the handler has returned, and the next one runs"
        assert t.advance("59m") == 0
        assert t.advance("1m") == 1
        assert handled == ["away", "next", "away"]


def test_what_failed_is_kept_whole(app: App) -> None:
    jobs = app.queue("jobs")

    @jobs.consumer(retry=Retry(max=1, base=1))
    def work(body: dict[str, Any]) -> None:
        raise ValueError(f"no customer {body['customer']}")

    with app.testing() as t:
        jobs.put({"customer": 7}, headers={"from": "web"})
        t.advance("1m")
        (letter,) = t.dead_letters
        assert letter.message.body == b'{"customer":7}' and letter.message.headers["from"] == "web"
        assert "no customer 7" in letter.reason
        assert [attempt.error for attempt in letter.history] == ["no customer 7"] * 2
        assert all('raise ValueError(f"no customer' in attempt.traceback for attempt in letter.history)


DYING = """
import os, sys
from pathlib import Path
from postroad import App

app = App("sqlite:///dying.db")
jobs = app.queue("jobs")

@jobs.consumer(ack=sys.argv[1])
def work(name: str) -> None:
    with Path("ran.txt").open("a") as file:
        file.write(name + "\\n")
    if len(Path("ran.txt").read_text().splitlines()) == 1:
        os._exit(9)

if sys.argv[2] == "put":
    jobs.put("a job")
else:
    with app.worker(threads=1):
        jobs.put("last")
        import time
        deadline = time.monotonic() + 20
        while "last" not in Path("ran.txt").read_text() and time.monotonic() < deadline:
            time.sleep(0.01)
app.close()
"""


def die_and_go_on(folder: Path, ack: str) -> list[str]:
    """A process dies inside its first handler; another takes the queue over."""
    (folder / "dying.py").write_text(textwrap.dedent(DYING))
    (folder / "ran.txt").touch()
    for what, code in (("put", 0), ("work", 9), ("work", 0)):
        command = [sys.executable, "dying.py", ack, what]
        done = subprocess.run(
            command, cwd=folder, timeout=PROGRAM_TIMEOUT_S, capture_output=True, text=True, check=False
        )
        assert done.returncode == code, done.stderr
    return (folder / "ran.txt").read_text().splitlines()


def test_a_message_leaves_after_the_work(tmp_path: Path) -> None:
    assert die_and_go_on(tmp_path, "late").count("a job") == 2


def test_early_is_at_most_once(tmp_path: Path) -> None:
    assert die_and_go_on(tmp_path, "early").count("a job") == 1


def until_ended(app: App, count: int) -> None:
    deadline = time.monotonic() + 20
    while app.inspect.stats().counters["accepted"] < count:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def paying(url: str, charged: list[str], fails: int = 0) -> App:
    """An app as each process has its own."""
    app = App(url)
    payments = app.queue("payments", key="id")
    failures = [ConnectionError] * fails

    @payments.consumer(inbox="id", retry=Retry(max=3, base=1))
    def charge(payment: dict[str, Any]) -> None:
        if failures:
            raise failures.pop()
        charged.append(payment["id"])

    return app


def test_the_inbox_outlives_the_process(tmp_path: Path) -> None:
    url, charged = f"sqlite:///{tmp_path}/pay.db", list[str]()
    for ended in (3, 6):
        with paying(url, charged) as app, app.worker(threads=2):
            queue = app.queue("payments", key="id")
            queue.put_many([{"id": "p-1"}] * 3)
            until_ended(app, ended)
    assert charged == ["p-1"]


def test_a_failure_is_no_duplicate() -> None:
    charged: list[str] = []
    app = paying("memory://", charged, fails=2)
    with app.testing() as t:
        app.queue("payments", key="id").put({"id": "p-1"})
        app.queue("payments", key="id").put({"id": "p-1"})
        t.advance("1h")
        assert charged == ["p-1"] and len(t.errors) == 2 and not t.dead_letters


def test_priority_is_the_queues_business(app: App) -> None:
    jobs, handled = app.queue("jobs", max_priority=9), list[str]()

    @jobs.consumer
    def work(name: str) -> None:
        handled.append(name)

    with app.testing() as t:
        jobs.put_many(["first", "second"], priority=1)
        jobs.put("urgent", priority=9)
        t.drain()
        assert handled == ["urgent", "first", "second"]
        with pytest.raises(errors.InvalidOption, match="max_priority=9"):
            app.queue("plain").put("urgent", priority=9)


def test_a_bounded_queue_stops_its_producer(app: App) -> None:
    jobs = app.queue("jobs", max_length=10, overflow="reject")
    with app.testing():
        accepted = 0
        with pytest.raises(errors.QueueFull):
            while True:
                jobs.put("more")
                accepted += 1
        assert accepted == jobs.depth() == 10


def test_any_thread_may_put(tmp_path: Path) -> None:
    with App(f"sqlite:///{tmp_path}/threads.db") as app:
        jobs = app.queue("jobs")

        def produce() -> None:
            for number in range(25):
                jobs.put(number)

        threads = [threading.Thread(target=produce) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert jobs.depth() == 200


def test_the_outbox_goes_with_the_transaction(tmp_path: Path) -> None:
    database, arrived = tmp_path / "shop.sqlite3", list[int]()
    connection = sqlite3.connect(database)
    connection.executescript(tables.script(tables.SQLITE))
    with App(f"sqlite:///{tmp_path}/engine.db", outbox=f"sqlite:///{database}") as app:
        orders = app.queue("orders")

        @orders.consumer
        def on_order(number: int) -> None:
            arrived.append(number)

        for number in (1, 2, 3):
            app.outbox(connection).put(orders, number)
            connection.rollback() if number == 2 else connection.commit()
        assert not arrived and orders.depth() == 0
        with app.worker(threads=1):
            until_ended(app, 2)
    assert sorted(arrived) == [1, 3]


def test_a_failed_handler_has_sent_nothing(app: App) -> None:
    orders, invoices = app.queue("orders"), app.queue("invoices")

    @orders.consumer(retry=Retry(max=3, base=1))
    def on_order(order: int) -> None:
        invoices.put(order)
        if len(t.errors) < 2:
            raise RuntimeError("no stock")

    with app.testing() as t:
        orders.put(1)
        t.advance("1h")
        assert len(t.errors) == 2
        assert [sent.body for sent in t.sent_to(invoices)] == [1]


def test_a_wait_that_could_not_end_is_refused(app: App) -> None:
    @app.task
    def collect(day: str) -> int:
        return len(day)

    @app.task
    def report(day: str) -> int:
        return collect.delay(day).get()

    with app.testing() as t:
        report.delay("monday")
        t.drain()
        assert [type(error) for error in t.errors] == [errors.WouldDeadlock]


def test_nothing_vanishes_on_the_way(app: App) -> None:
    logs = app.exchange("logs", "topic")
    logs.bind(app.queue("kernel"), "kern.critical")
    with app.testing():
        logs.publish("a typo", routing_key="kern.critcal")
        assert app.inspect.stats().counters["unrouted"] == 1
        with pytest.raises(errors.Unroutable):
            logs.publish("a typo", routing_key="kern.critcal", mandatory=True)
        with pytest.raises(errors.Unroutable):
            app.queue("jbos", declare=False).put("a typo")


def test_a_pattern_that_matches_nothing_is_refused(app: App) -> None:
    with pytest.raises(errors.InvalidPattern, match="mixes a wildcard"):
        app.exchange("logs", "topic").bind(app.queue("kernel"), "ker*")


def test_one_bad_record_fails_alone(app: App) -> None:
    rows, stored = app.queue("rows"), list[int]()

    @rows.consumer(batch=50)
    def insert(numbers: list[int]) -> None:
        if 33 in numbers:
            raise ValueError("33 is broken")
        stored.extend(numbers)

    with app.testing() as t:
        rows.put_many(range(50))
        t.drain()
        assert sorted(stored) == [number for number in range(50) if number != 33]
        assert [letter.message.body for letter in t.dead_letters] == [b"33"]


def test_order_is_kept_through_a_retry(app: App) -> None:
    movements, booked = app.queue("movements"), list[str]()

    @movements.consumer(retry=Retry(max=3, base="1m", jitter=False))
    def book(movement: str) -> None:
        if movement == "a1" and len(t.errors) < 2:
            raise ConnectionError
        booked.append(movement)

    with app.testing() as t:
        for movement in ("a1", "a2", "b1", "a3", "b2"):
            movements.put(movement, key=movement[0])
        t.drain()
        assert booked == ["b1", "b2"]
        t.advance("1h")
        assert booked == ["b1", "b2", "a1", "a2", "a3"]


def test_a_delay_costs_no_worker(app: App) -> None:
    reminders, sent = app.queue("reminders"), list[str]()

    @reminders.consumer
    def remind(name: str) -> None:
        sent.append(f"{name} at {t.now - begun}")

    with app.testing() as t:
        begun = t.now
        reminders.put("late", delay="2h")
        reminders.put("soon", delay="1h")
        reminders.put("now")
        t.advance("1d")
    assert sent == ["now at 0:00:00", "soon at 1:00:00", "late at 2:00:00"]

"""The measures, one function each."""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec

from postroad.cli.bench.app import app, elapsed, nothing
from postroad.cli.workertree import WorkerTree
from postroad.errors import ResultTimeout
from postroad.observe.inspect import Inspection

POLL_S = 0.005
STUCK_S = 60.0
ONE_BY_ONE_S = 1.5
LATENCIES = 200
WARM_UP = 20


class Measure(msgspec.Struct, frozen=True):
    """One figure. ``unit``: "tasks/s" or "ms"."""

    name: str
    value: float
    unit: str


def one_by_one() -> list[Measure]:
    """`delay` in one thread, each durable before the next."""
    nothing.delay(0)
    taken_s: list[float] = []
    started_at = time.perf_counter()
    while (now := time.perf_counter()) - started_at < ONE_BY_ONE_S:
        nothing.delay(len(taken_s))
        taken_s.append(time.perf_counter() - now)
    rate = len(taken_s) / (time.perf_counter() - started_at)
    return [
        Measure("delay, one by one", rate, "tasks/s"),
        Measure("delay, one by one: p99", quantile(taken_s, 0.99) * 1e3, "ms"),
    ]


def in_bulk(count: int) -> list[Measure]:
    """`send_many`."""
    calls = [nothing.s(number) for number in range(count)]
    started_at = time.perf_counter()
    app.send_many(calls)
    return [Measure(f"send_many, {count:,}", count / (time.perf_counter() - started_at), "tasks/s")]


def drained(tree: WorkerTree) -> list[Measure]:
    """From the first task that ends to the last: the start of the worker is not in it."""
    before = accepted()
    waiting = busy()
    tree.start()
    until(tree, lambda: accepted() > before)
    started_at, done = time.perf_counter(), accepted() - before
    until(tree, lambda: accepted() - before >= waiting)
    taken_s = max(time.perf_counter() - started_at, 1e-9)
    return [Measure("drain, 2 children x 4 threads", (waiting - done) / taken_s, "tasks/s")]


def latency() -> list[Measure]:
    """From `delay` to the first line of the task, with idle workers."""
    found_s = [elapsed.delay(time.monotonic_ns()).get(timeout=STUCK_S) / 1e9 for _ in range(WARM_UP + LATENCIES)]
    settled = found_s[WARM_UP:]
    return [Measure(f"latency, idle: p{round(q * 100)}", quantile(settled, q) * 1e3, "ms") for q in (0.5, 0.99)]


def accepted() -> int:
    """Messages that were handled, since the engine's file was made."""
    return app.ask(lambda driver: Inspection(driver).engine.counters())["accepted"]


def busy() -> int:
    queues = app.ask(lambda driver: Inspection(driver).queues())
    return sum(queue.ready + queue.delayed + queue.in_flight for queue in queues)


def until(tree: WorkerTree, holds: Callable[[], bool]) -> None:
    """Raises ResultTimeout after a minute, PostroadError when the worker has ended."""
    deadline = time.monotonic() + STUCK_S
    while not holds():
        tree.check()
        if time.monotonic() > deadline:
            raise ResultTimeout(
                f"The benchmark's worker did not get there in {STUCK_S:g} s. Its log ends:\n{tree.tail()}"
            )
        time.sleep(POLL_S)


def quantile(values: list[float], q: float) -> float:
    return sorted(values)[min(int(len(values) * q), len(values) - 1)]

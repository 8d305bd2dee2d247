"""Postroad on one SQLite file, as a user would write it: a sync or an async no-op; results when asked for."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from benchmarks.apps import file, keeps_results, kind
from benchmarks.marks import mark, now_ns
from postroad import App

KEEP_RESULT = "1d" if keeps_results() else None
CHUNK = 50_000

app = App(f"sqlite:///{file()}")


@app.task(keep_result=KEEP_RESULT)
def noop(number: int) -> int:
    mark(0)
    return number


@app.task(keep_result=KEEP_RESULT)
async def noop_async(number: int) -> int:
    mark(0)
    return number


@app.task(keep_result=None)
def stamped(sent_ns: int) -> None:
    mark(sent_ns)


@app.task(keep_result=None)
def nap(number: int, length_s: float) -> None:
    """Marks its start with its number below zero, its end with its number."""
    mark(-number)
    time.sleep(length_s)
    mark(number)


@app.task(keep_result=None)
def spin(length_s: float) -> None:
    """Holds the interpreter's lock as much as a thread can."""
    mark(0)
    until_ns = now_ns() + int(length_s * 1e9)
    while now_ns() < until_ns:
        pass


@app.task(keep_result=None)
def late(due_ns: int) -> None:
    """Marks how long after its due time it ran."""
    mark(time.time_ns() - due_ns)


_no_op = noop_async if kind() == "async" else noop


def fill(count: int) -> None:
    for first in range(0, count, CHUNK):
        app.send_many([_no_op.s(number) for number in range(first, min(first + CHUNK, count))])


def one_by_one(count: int) -> None:
    for number in range(count):
        _no_op.delay(number)


def stamp(sent_ns: int) -> None:
    stamped.delay(sent_ns)


def put_naps(count: int, length_s: float) -> None:
    app.send_many([nap.s(number, length_s) for number in range(1, count + 1)])


def put_spins(count: int, length_s: float) -> None:
    app.send_many([spin.s(length_s) for _ in range(count)])


def put_far(count: int) -> None:
    """Tasks that are due in an hour."""
    app.send_many([noop.options(countdown=3600.0).s(number) for number in range(count)])


def put_due(count: int, first_s: float, span_s: float) -> None:
    """Tasks due one after another over `span_s`, from `first_s` on."""
    begin_ns = time.time_ns() + int(first_s * 1e9)
    for number in range(count):
        due_ns = begin_ns + int(number * span_s / count * 1e9)
        eta = datetime.fromtimestamp(due_ns / 1e9, UTC)
        late.options(eta=eta).delay(due_ns)


def close() -> None:
    app.close()

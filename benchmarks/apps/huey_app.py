"""huey on one SQLite file, synced at every commit; a handler that returns a value has its result kept."""

from __future__ import annotations

from huey import SqliteHuey

from benchmarks.apps import file, keeps_results
from benchmarks.marks import mark

keeps = keeps_results()
huey = SqliteHuey("benchmark", filename=file(), fsync=True, results=keeps)


@huey.task()
def noop(number: int) -> int | None:
    mark(0)
    return number if keeps else None


@huey.task()
def stamped(sent_ns: int) -> None:
    mark(sent_ns)


def fill(count: int) -> None:
    one_by_one(count)


def one_by_one(count: int) -> None:
    for number in range(count):
        noop(number)


def stamp(sent_ns: int) -> None:
    stamped(sent_ns)


def close() -> None:
    huey.storage.close()

"""The bare loop's producer side, and the bare insert that `delay` is compared with."""

from __future__ import annotations

from benchmarks.apps import file
from benchmarks.bare.insert import insert_many, insert_one
from benchmarks.bare.schema import connect

_connection, _lock = connect(file())


def fill(count: int) -> None:
    insert_many(_connection, count)


def one_by_one(count: int) -> None:
    for number in range(count):
        insert_one(_connection, number)


def stamp(sent_ns: int) -> None:
    insert_one(_connection, sent_ns)


def close() -> None:
    _connection.close()
    _lock.close()

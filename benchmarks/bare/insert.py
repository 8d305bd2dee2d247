"""Bare inserts of one no-op task: `INSERT; COMMIT`, one by one and many at a time."""

from __future__ import annotations

import uuid

import apsw
import msgspec

CHUNK = 10_000
QUEUE = 1
RANK = 5
RAW_BODY = 16
HEAD = '[{"task":"benchmarks.apps.postroad_app.noop"},1790000000.125]'

MESSAGE = (
    "INSERT INTO message(id, queue, rank, flags, attempt, crashes, head, body) "
    f"VALUES (?, ?, ?, {RAW_BODY}, 1, 0, ?, ?)"
)
READY = "INSERT INTO ready VALUES (?, ?, last_insert_rowid())"

_encode = msgspec.json.Encoder().encode


def insert_one(connection: apsw.Connection, number: int) -> None:
    connection.execute("BEGIN IMMEDIATE")
    _insert(connection, number)
    connection.execute("COMMIT")


def insert_many(connection: apsw.Connection, count: int) -> None:
    for first in range(0, count, CHUNK):
        connection.execute("BEGIN IMMEDIATE")
        for number in range(first, min(first + CHUNK, count)):
            _insert(connection, number)
        connection.execute("COMMIT")


def _insert(connection: apsw.Connection, number: int) -> None:
    body = _encode([[number], {}])
    connection.execute(MESSAGE, (str(uuid.uuid4()), QUEUE, RANK, HEAD, body))
    connection.execute(READY, (QUEUE, RANK))

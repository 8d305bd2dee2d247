"""The outbox from the relay's side: read the oldest rows, delete what has left, set aside what never can."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import msgspec

from postroad.reliability import tables
from postroad.reliability.databases import Database
from postroad.reliability.outbox import told

BATCH = 1_000
REASON_LENGTH_MAX = 2_000


class Row(msgspec.Struct, frozen=True):
    """``payload``: as rows.row wrote it, if nobody else did."""

    seq: int
    payload: Any


class Aside(msgspec.Struct, frozen=True):
    """A row that can never be published."""

    seq: int
    reason: str


class FailedRow(msgspec.Struct, frozen=True):
    """One that was set aside, for people. Times are wall-clock seconds."""

    seq: int
    id: str
    exchange: str
    routing_key: str
    key: str | None
    created_at: float
    failed_at: float
    failed_reason: str


class OutboxStatus(msgspec.Struct, frozen=True):
    """``failed``: the first of the ``failed_count`` rows that were set aside."""

    database: str
    waiting: int
    oldest_age_s: float | None
    failed_count: int
    failed: list[FailedRow]


def read(database: Database, limit: int = BATCH) -> list[Row]:
    """The oldest rows, up to ``limit`` and to READ_BYTES_MAX of payload; no transaction stays open.

    One statement, so one snapshot: whoever wrote a row after another was committed has the higher number, and where it is
    seen the other is seen too. Rows of transactions that were open at the same time become visible in any order, and a
    number that was not there yet is found by the next look, for each begins at the lowest.
    """
    rows = told(database, lambda: database.fetch(tables.READ, {"limit": limit, "bytes_max": tables.READ_BYTES_MAX}))
    database.rollback()
    return [Row(seq, payload) for seq, payload in rows]


def settle(database: Database, left: Sequence[int], aside: Sequence[Aside]) -> None:
    """In one transaction."""
    for statement in tables.delete(left):
        database.execute(statement, [{}])
    if aside:
        now = time.time()
        rows = [{"seq": one.seq, "failed_at": now, "failed_reason": clean(one.reason)} for one in aside]
        database.execute(tables.SET_ASIDE, rows)
    database.commit()


def clean(reason: str) -> str:
    return reason.replace("\x00", "\ufffd")[:REASON_LENGTH_MAX]


def status(database: Database, name: str, limit: int) -> OutboxStatus:
    """What waits, and what was set aside."""
    ((waiting, oldest),) = told(database, lambda: database.fetch(tables.WAITING, {}))
    ((failed_count,),) = database.fetch(tables.FAILED_COUNT, {})
    failed = [FailedRow(*row) for row in database.fetch(tables.FAILED, {"limit": limit})]
    database.rollback()
    return OutboxStatus(name, waiting, None if oldest is None else time.time() - oldest, failed_count, failed)


def make_tables(database: Database) -> None:
    """Those that are not there yet."""
    for statement in tables.TABLES[tables.checked_dialect(database.dialect)]:
        database.execute(statement, [{}])
    database.commit()

"""What a group of subscribers heard, in a SQLite file of its own: an effect outside the engine.

Subscribers run at least once, so a row is keyed by its file: hearing it again changes nothing.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import msgspec

TABLE = "CREATE TABLE IF NOT EXISTS heard(path TEXT PRIMARY KEY, lines INTEGER) WITHOUT ROWID"
INSERT = "INSERT OR REPLACE INTO heard VALUES (?, ?)"
SUMS = "SELECT count(*), coalesce(sum(lines), 0) FROM heard"
LARGEST = "SELECT path, lines FROM heard ORDER BY lines DESC, path LIMIT 1"
GROUPS = ("demo-totals", "demo-largest")
TIMEOUT_S = 30.0


class Heard(msgspec.Struct, frozen=True):
    """Of one group: how many files, how many lines in them, and the longest one."""

    files: int
    lines: int
    largest: str
    largest_lines: int


def file_of(catalogue: str, group: str) -> Path:
    return Path(f"{catalogue}-{group}")


def create(catalogue: str) -> None:
    """Empty files for all groups."""
    for group in GROUPS:
        file_of(catalogue, group).unlink(missing_ok=True)
        with closing(sqlite3.connect(file_of(catalogue, group))) as connection, connection:
            connection.execute(TABLE)


def note(catalogue: str, group: str, rows: Sequence[tuple[str, int]]) -> None:
    """Not synced: it survives the death of processes."""
    with closing(sqlite3.connect(file_of(catalogue, group), timeout=TIMEOUT_S, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous=OFF")
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(INSERT, rows)
        connection.execute("COMMIT")


def heard(catalogue: str, group: str) -> Heard:
    with closing(sqlite3.connect(file_of(catalogue, group), timeout=TIMEOUT_S)) as connection:
        files, lines = connection.execute(SUMS).fetchone()
        path, longest = connection.execute(LARGEST).fetchone() or ("", 0)
    return Heard(files, lines, path, longest)

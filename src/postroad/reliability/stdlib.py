"""The standard library's sqlite3."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from postroad.errors import UsageError
from postroad.reliability.databases import Row
from postroad.reliability.tables import SQLITE

LEGACY = -1
FILES = "PRAGMA database_list"


class StandardSqlite:
    """As Database."""

    dialect = SQLITE

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection

    def refuse_autocommit(self) -> None:
        if autocommits(self.connection):
            raise UsageError(
                "This sqlite3 connection commits each statement by itself (isolation_level=None or autocommit=True), and no "
                "transaction is open: the message would stay when your own rows are rolled back. Begin one first: "
                'connection.execute("BEGIN"), and commit when your rows are written.'
            )

    def files(self) -> Sequence[str]:
        return sqlite_files(self.connection)

    def execute(self, sql: str, rows: Sequence[Row]) -> int:
        cursor = self.connection.cursor()
        if len(rows) == 1:
            return cursor.execute(sql, rows[0]).rowcount
        return cursor.executemany(sql, rows).rowcount

    def fetch(self, sql: str, row: Row) -> list[tuple[Any, ...]]:
        return plain_rows(self.connection, sql, row)

    def commit(self) -> None:
        self.connection.commit()

    def rollback(self) -> None:
        self.connection.rollback()

    def close(self) -> None:
        self.connection.close()


def plain_rows(connection: sqlite3.Connection, sql: str, row: Row) -> list[tuple[Any, ...]]:
    """Tuples, whatever row factory the connection has."""
    cursor = connection.cursor()
    cursor.row_factory = None
    return cursor.execute(sql, row).fetchall()


def sqlite_files(connection: sqlite3.Connection) -> list[str]:
    """Also those that are attached."""
    return [str(row[2]) for row in plain_rows(connection, FILES, {}) if row[2]]


def autocommits(connection: sqlite3.Connection) -> bool:
    """Whether a statement would be committed as soon as it is done."""
    if connection.in_transaction:
        return False
    mode = getattr(connection, "autocommit", LEGACY)  # Python 3.12
    return connection.isolation_level is None if mode == LEGACY else bool(mode)

"""psycopg (3)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from psycopg import Connection
from psycopg.pq import TransactionStatus
from psycopg.rows import tuple_row

from postroad.errors import UsageError
from postroad.reliability.databases import Row
from postroad.reliability.tables import POSTGRESQL

PARAMETER = re.compile(r":(\w+)")


class Psycopg:
    """As Database."""

    dialect = POSTGRESQL

    def __init__(self, connection: Connection[Any]) -> None:
        self.connection = connection

    def refuse_autocommit(self) -> None:
        connection = self.connection
        if connection.autocommit and connection.info.transaction_status == TransactionStatus.IDLE:
            raise UsageError(
                "This psycopg connection commits each statement by itself (autocommit=True), and no transaction is open: the "
                "message would stay when your own rows are rolled back. Write both inside `with connection.transaction():`."
            )

    def files(self) -> Sequence[str]:
        return ()

    def execute(self, sql: str, rows: Sequence[Row]) -> int:
        with self.connection.cursor() as cursor:
            if len(rows) == 1:
                return cursor.execute(written(sql), rows[0]).rowcount
            cursor.executemany(written(sql), rows)
            return cursor.rowcount

    def fetch(self, sql: str, row: Row) -> list[tuple[Any, ...]]:
        with self.connection.cursor(row_factory=tuple_row) as cursor:
            return cursor.execute(written(sql), row).fetchall()

    def commit(self) -> None:
        self.connection.commit()

    def rollback(self) -> None:
        self.connection.rollback()

    def close(self) -> None:
        self.connection.close()


def written(sql: str) -> bytes:
    """With psycopg's own parameters."""
    return PARAMETER.sub(r"%(\1)s", sql).encode()

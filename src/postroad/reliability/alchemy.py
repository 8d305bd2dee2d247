"""SQLAlchemy: Session, scoped_session and Connection, and the ones that are awaited."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, text
from sqlalchemy.orm import Session, scoped_session

from postroad.errors import UsageError
from postroad.reliability.databases import AsyncDatabase, Database, Row, is_a
from postroad.reliability.stdlib import FILES, autocommits
from postroad.reliability.tables import SQLITE, checked_dialect

ASYNC = "sqlalchemy.ext.asyncio"


def of_alchemy(connection: Any) -> Database | AsyncDatabase | None:
    """None for what is not SQLAlchemy's."""
    if isinstance(connection, scoped_session):
        return Alchemy(connection())
    if isinstance(connection, Session | Connection):
        return Alchemy(connection)
    if ASYNC not in sys.modules:
        return None
    if is_a(connection, ASYNC, "async_scoped_session"):
        connection = connection()
    if is_a(connection, ASYNC, "AsyncSession") or is_a(connection, ASYNC, "AsyncConnection"):
        return AsyncDatabase(connection.run_sync)
    return None


class Alchemy:
    """As Database. ``bound``: what commits; of a Session, statements go through its connection, in its transaction."""

    def __init__(self, bound: Session | Connection) -> None:
        self.bound = bound

    @property
    def connection(self) -> Connection:
        return self.bound.connection() if isinstance(self.bound, Session) else self.bound

    @property
    def dialect(self) -> str:
        bind = self.bound.get_bind() if isinstance(self.bound, Session) else self.bound
        return checked_dialect(bind.dialect.name)

    def refuse_autocommit(self) -> None:
        connection = self.connection
        if not connection.in_transaction():
            connection.begin()
        raw = connection.connection.driver_connection
        if self.is_autocommit(raw):
            raise UsageError(
                'This SQLAlchemy connection commits each statement by itself (isolation_level="AUTOCOMMIT"): the message would '
                "stay when your own rows are rolled back. Use an engine without it, and `with session.begin():`."
            )

    def is_autocommit(self, raw: Any) -> bool:
        """Of the driver's own connection, once SQLAlchemy has begun what it calls a transaction."""
        if is_a(raw, "sqlite3", "Connection"):
            return autocommits(raw)
        if is_a(getattr(raw, "_conn", None), "sqlite3", "Connection"):  # aiosqlite's, whose thread is not this one
            return raw.isolation_level is None and not raw.in_transaction
        return getattr(raw, "autocommit", False) is True

    def files(self) -> Sequence[str]:
        if self.dialect != SQLITE:
            return ()
        return [str(row[2]) for row in self.fetch(FILES, {}) if row[2]]

    def execute(self, sql: str, rows: Sequence[Row]) -> int:
        parameters = [dict(row) for row in rows]
        return self.connection.execute(text(sql), parameters if len(parameters) > 1 else parameters[0]).rowcount

    def fetch(self, sql: str, row: Row) -> list[tuple[Any, ...]]:
        return [tuple(found) for found in self.connection.execute(text(sql), dict(row)).all()]

    def commit(self) -> None:
        self.bound.commit()

    def rollback(self) -> None:
        self.bound.rollback()

    def close(self) -> None:
        self.bound.close()

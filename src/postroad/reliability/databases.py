"""The user's connection, whichever library it is of: one small face over each."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol, TypeGuard, TypeVar, runtime_checkable

from postroad.errors import ConfigurationError, UsageError

T = TypeVar("T")
Row = Mapping[str, Any]

TAKEN = (
    "a sqlite3 connection, a psycopg connection, or a Session or Connection of SQLAlchemy (also AsyncSession and "
    "AsyncConnection)"
)


@runtime_checkable
class Database(Protocol):
    """What the outbox and the inbox need of a connection. Errors are its library's own."""

    @property
    def dialect(self) -> str:
        """``sqlite`` or ``postgresql``."""

    def refuse_autocommit(self) -> None:
        """Raises UsageError when what is written now would not be part of a transaction."""

    def files(self) -> Sequence[str]:
        """The files it has open, of an embedded database."""

    def execute(self, sql: str, rows: Sequence[Row]) -> int:
        """Once for each row of parameters; answers how many rows the last one changed."""

    def fetch(self, sql: str, row: Row) -> list[tuple[Any, ...]]: ...
    def commit(self) -> None: ...
    def rollback(self) -> None: ...
    def close(self) -> None: ...


class AsyncDatabase:
    """A connection that is awaited. ``run`` runs blocking work on the library's own terms."""

    def __init__(self, run: Callable[[Callable[[Any], Any]], Awaitable[Any]]) -> None:
        self.run = run

    async def work(self, work: Callable[[Database], T]) -> T:
        """With the Database inside."""
        done: T = await self.run(lambda connection: work(blocking(connection)))
        return done


def blocking(connection: Any) -> Database:
    """Raises UsageError for one that must be awaited."""
    found = adapted(connection)
    if isinstance(found, AsyncDatabase):
        raise UsageError(
            f"{type(connection).__name__} is awaited: write `await app.outbox(...).apublish(...)`, aput, adelay, asend, or "
            "`await app.inbox(...).afirst(...)`; inside `with app.outbox(...)`, the verbs that begin with a."
        )
    return found


def adapted(connection: Any) -> Database | AsyncDatabase:
    """The face for this connection. Raises ConfigurationError for what is none."""
    if is_a(connection, "sqlite3", "Connection"):
        from postroad.reliability.stdlib import StandardSqlite

        return StandardSqlite(connection)
    if is_a(connection, "psycopg", "Connection"):
        from postroad.reliability.postgres import Psycopg

        return Psycopg(connection)
    if "sqlalchemy" in sys.modules:
        from postroad.reliability.alchemy import of_alchemy

        found = of_alchemy(connection)
        if found is not None:
            return found
    raise unknown(connection)


def is_a(value: Any, module: str, name: str) -> TypeGuard[Any]:
    """Whether it is an instance of that class, of a module that is imported only if somebody uses it."""
    kind = getattr(sys.modules.get(module), name, None)
    return isinstance(kind, type) and isinstance(value, kind)


def unknown(connection: Any) -> ConfigurationError:
    name = f"{type(connection).__module__}.{type(connection).__qualname__}"
    return ConfigurationError(
        f"{name} is no connection that can be written to: give {TAKEN}.{advice(name, connection)}"
    )


def advice(name: str, connection: Any) -> str:
    if name.startswith("psycopg2"):
        return " psycopg2: use psycopg (3), or SQLAlchemy over psycopg2."
    if name.startswith("psycopg."):
        return " An AsyncConnection or a cursor of psycopg: give a psycopg.Connection, or SQLAlchemy's AsyncSession."
    if name.endswith("Engine") or callable(connection):
        return " This makes connections: give one that it made, inside its transaction."
    return ""

"""Where outboxes lie: what opens a connection to one, by a URL or by the user's own function."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec

from postroad.drivers.registry import redacted
from postroad.errors import ConfigurationError, EngineUnavailable, InvalidURL, MissingExtra
from postroad.reliability.databases import Database, blocking
from postroad.reliability.tables import POSTGRESQL, SQLITE

SQLITE_URL = "sqlite:///"
POSTGRES_SCHEMES = ("postgresql", "postgres")
EXAMPLES = "sqlite:///shop.db, postgresql://user@host/shop"
BUSY_TIMEOUT_S = 30.0

Given = str | Callable[[], Any]


class Origin(msgspec.Struct, frozen=True):
    """``name``: for people, and for the lease of its relay. ``file``: of an SQLite database named by a URL.

    ``connect``: a new connection; called, and used, in one thread.
    """

    name: str
    connect: Callable[[], Any]
    file: str | None = None

    def open(self) -> Database:
        """A new connection. Its library's own errors come through."""
        return blocking(self.connect())


def origins(given: Given | Sequence[Given], app: str) -> list[Origin]:
    """What App(outbox=...) says. Raises InvalidURL or ConfigurationError."""
    several = [given] if isinstance(given, str) or callable(given) else given
    if not isinstance(several, list | tuple) or not several:
        raise refusal(given)
    found = [origin(one, f"{app}:{at}") for at, one in enumerate(several)]
    names = {one.name for one in found}
    if len(names) < len(found):
        raise ConfigurationError(f"outbox={given!r}: it names one of them twice.")
    return found


def origin(given: Given, prefix: str) -> Origin:
    if isinstance(given, str):
        return by_url(given)
    if callable(given):
        name = getattr(given, "__qualname__", type(given).__qualname__)
        return Origin(f"{prefix}:{getattr(given, '__module__', '')}.{name}", given)
    raise refusal(given)


def refusal(given: object) -> ConfigurationError:
    return ConfigurationError(
        f"outbox={given!r:.80}: give a database URL ({EXAMPLES}), a function that answers a new connection, or a list of these."
        + (" Of an engine of SQLAlchemy: engine.connect." if type(given).__name__ == "Engine" else "")
    )


def by_url(url: str, *, make: bool = False) -> Origin:
    """``make``: an SQLite file that is not there is made. Raises InvalidURL, MissingExtra."""
    dialect = dialect_of(url)
    scheme = url.partition("://")[0]
    if "+" in scheme:
        return Origin(redacted(url), lambda: alchemy_connection(url))
    if dialect == SQLITE:
        file = sqlite_path(url)
        return Origin(SQLITE_URL + file, lambda: sqlite_connection(file, make), file)
    return Origin(redacted(url), lambda: postgres_connection(url))


def dialect_of(url: str) -> str:
    """Raises InvalidURL."""
    scheme = url.partition("://")[0].partition("+")[0].lower() if "://" in url else ""
    if scheme in POSTGRES_SCHEMES:
        return POSTGRESQL
    if scheme != SQLITE:
        raise InvalidURL(f"{redacted(url)!r} is no URL of a database with an outbox. Write one of {EXAMPLES}.")
    return SQLITE


def sqlite_path(url: str) -> str:
    """Absolute; a relative one is below the working folder."""
    if not url.startswith(SQLITE_URL) or url == SQLITE_URL or dict(parse_qsl(urlsplit(url).query)):
        raise InvalidURL(f"{url!r} names no file: write sqlite:///shop.db (relative) or sqlite:////var/lib/shop.db.")
    return str(Path(unquote(url[len(SQLITE_URL) :])).absolute())


def sqlite_connection(file: str, make: bool) -> Any:
    """Raises EngineUnavailable for a file that is not there: a relay must not make one."""
    if not make and not Path(file).exists():
        raise EngineUnavailable(
            f"There is no database at {file}: make it, and its tables with `postroad outbox init --database ...`."
        )
    import sqlite3

    return sqlite3.connect(file, timeout=BUSY_TIMEOUT_S)


def postgres_connection(url: str) -> Any:
    if importlib.util.find_spec("psycopg") is None:
        raise MissingExtra("postgresql:// needs psycopg, which is not installed: pip install 'postroad[psycopg]'.")
    import psycopg

    return psycopg.connect(url)


def alchemy_connection(url: str) -> Any:
    if importlib.util.find_spec("sqlalchemy") is None:
        raise MissingExtra(
            f"{redacted(url)} is a URL of SQLAlchemy, which is not installed: pip install 'postroad[sqlalchemy]'."
        )
    import sqlalchemy
    from sqlalchemy.pool import NullPool

    return sqlalchemy.create_engine(url, poolclass=NullPool).connect()

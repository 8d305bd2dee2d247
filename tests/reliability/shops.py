"""A user's own database with orders in it, reached by each library that the outbox knows."""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import sqlalchemy
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from postroad.reliability import ledger
from postroad.reliability.databases import Database, blocking
from postroad.reliability.origins import by_url

ORDERS = "CREATE TABLE orders (id TEXT PRIMARY KEY)"


class Shop:
    """``url``: for the relay and the command line; ``connect``: a new connection as the user's code makes one."""

    def __init__(self, url: str, connect: Callable[[], Any]) -> None:
        self.url = url
        self.connect = connect
        self.opened: list[Database] = []

    def open(self) -> tuple[Any, Database]:
        """A connection, and our face of it."""
        connection = self.connect()
        face = blocking(connection)
        self.opened.append(face)
        return connection, face

    def make(self) -> Shop:
        """The tables."""
        _connection, face = self.open()
        ledger.make_tables(face)
        face.execute(ORDERS, [{}])
        face.commit()
        return self

    def order(self, face: Database, id: str) -> None:
        face.execute("INSERT INTO orders(id) VALUES (:id)", [{"id": id}])

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        """With a connection of its own."""
        face = by_url(self.url).open()
        try:
            return face.fetch(sql, {})
        finally:
            face.close()

    def orders(self) -> list[str]:
        return [id for (id,) in self.ask("SELECT id FROM orders ORDER BY id")]

    def waiting(self) -> int:
        return int(self.ask("SELECT COUNT(*) FROM postroad_outbox WHERE failed_at IS NULL")[0][0])

    def close(self) -> None:
        for face in self.opened:
            face.close()


def sqlite_shop(folder: Path) -> Shop:
    file = folder / "shop.db"
    return Shop(f"sqlite:///{file}", lambda: sqlite3.connect(file, timeout=30, check_same_thread=False))


def alchemy_sqlite_shop(folder: Path) -> Shop:
    url = f"sqlite:///{folder / 'shop.db'}"
    engine = sqlalchemy.create_engine(url, poolclass=NullPool)
    return Shop(url, lambda: Session(engine))


def psycopg_shop(url: str) -> Shop:
    return Shop(url, lambda: psycopg.connect(url))


def alchemy_postgres_shop(url: str) -> Shop:
    engine = sqlalchemy.create_engine(url.replace("postgresql://", "postgresql+psycopg://", 1), poolclass=NullPool)
    return Shop(url, engine.connect)


@contextmanager
def schema(url: str) -> Iterator[str]:
    """A URL whose tables are this test's own."""
    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {name}")
        try:
            mark = "&" if "?" in url else "?"
            yield f"{url}{mark}options={quote(f'-csearch_path={name}')}"
        finally:
            connection.execute(f"DROP SCHEMA {name} CASCADE")

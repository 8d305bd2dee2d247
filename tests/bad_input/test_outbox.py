"""Outboxes that cannot be: without a table, on the engine's own file, without a transaction, rolled back."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy
from sqlalchemy.orm import Session
from tests.bad_input.support import postroad
from tests.reliability import postgres, shops

from postroad import App, errors
from postroad.core.message import Address, Message, Send
from postroad.reliability import tables

pytestmark = pytest.mark.bad_input


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """The user's database, with both tables."""
    connection = sqlite3.connect(tmp_path / "shop.db")
    connection.executescript(tables.script("sqlite") + "CREATE TABLE orders (id TEXT);")
    yield connection
    connection.close()


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """One without."""
    connection = sqlite3.connect(tmp_path / "bare.db")
    yield connection
    connection.close()


def rows(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT COUNT(*) FROM postroad_outbox").fetchone()[0])


def test_without_its_table(app: App, bare: sqlite3.Connection) -> None:
    queue = app.queue("raw")
    for write in (lambda: app.outbox(bare).put(queue, {}), lambda: app.inbox(bare).first("a")):
        with pytest.raises(errors.ConfigurationError) as raised:
            write()
        words = str(raised.value)
        assert "not in this database" in words and "postroad outbox init --database" in words
        bare.executescript(words[words.index("CREATE TABLE") :])
        write()
        bare.executescript("DROP TABLE postroad_outbox; DROP TABLE postroad_inbox")
    assert queue.depth() == 0


def test_without_its_table_in_postgresql(app: App) -> None:
    with shops.schema(postgres.url()) as url, psycopg.connect(url) as connection:
        with pytest.raises(errors.ConfigurationError, match="BIGSERIAL"):
            app.outbox(connection).put(app.queue("raw"), {})
        connection.rollback()
        engine = sqlalchemy.create_engine(url.replace("postgresql", "postgresql+psycopg", 1))
        with Session(engine) as session, pytest.raises(errors.ConfigurationError, match="BIGSERIAL"):
            app.inbox(session).first("a")
        engine.dispose()


def test_on_the_engines_own_file_not_open_yet(file: Path) -> None:
    """Made by an app in another process: the connection is there before this app opens its engine."""
    postroad("queues", "--url", f"sqlite:///{file}", cwd=file.parent)
    connection = sqlite3.connect(file)
    app = App(f"sqlite:///{file}")
    with pytest.raises(errors.SecondSQLite, match="a file of their own"):
        app.outbox(connection).put(app.queue("raw"), {})
    with pytest.raises(errors.SecondSQLite, match="a file of their own"):
        app.inbox(connection).first("a")
    engine = sqlalchemy.create_engine(f"sqlite:///{file}")
    with Session(engine) as session, pytest.raises(errors.SecondSQLite):
        app.outbox(session).put(app.queue("raw"), {})
    engine.dispose()
    connection.close()


def test_on_the_engines_own_file_attached(file: Path, shop: sqlite3.Connection) -> None:
    shop.execute("ATTACH ? AS other", (str(file),))
    app = App(f"sqlite:///{file}")
    with pytest.raises(errors.SecondSQLite):
        app.outbox(shop).put(app.queue("raw"), {})


def test_on_the_engines_own_file_open(app: App, file: Path) -> None:
    queue = app.queue("raw")
    queue.put({})
    with pytest.raises(errors.SecondSQLite):
        sqlite3.connect(file)
    assert queue.depth() == 1


def test_from_the_command_line(file: Path, shop: sqlite3.Connection) -> None:
    url, folder = f"sqlite:///{file}", file.parent
    for verb in ("init", "status", "relay"):
        done = postroad("outbox", verb, "--database", url, "--url", url, cwd=folder)
        assert done.returncode != 0 and "a file of their own" in done.stderr
    assert not file.exists()
    missing = postroad("outbox", "status", "--database", "sqlite:///none.db", "--url", url, cwd=folder)
    assert missing.returncode == 6 and "outbox init" in missing.stderr and not (folder / "none.db").exists()


def test_in_a_transaction_that_is_rolled_back(app: App, shop: sqlite3.Connection) -> None:
    queue = app.queue("raw")
    with pytest.raises(ZeroDivisionError), shop, app.outbox(shop):
        shop.execute("INSERT INTO orders VALUES ('1')")
        queue.put({"order": 1})
        raise ZeroDivisionError
    assert rows(shop) == 0 and queue.depth() == 0
    assert shop.execute("SELECT COUNT(*) FROM orders").fetchone() == (0,)


def test_without_a_transaction(app: App, shop: sqlite3.Connection, tmp_path: Path) -> None:
    queue = app.queue("raw")
    alone = sqlite3.connect(tmp_path / "shop.db", isolation_level=None)
    with pytest.raises(errors.UsageError, match=r'connection\.execute\("BEGIN"\)'):
        app.outbox(alone).put(queue, {})
    with pytest.raises(errors.UsageError, match="BEGIN"):
        app.inbox(alone).first("a")
    alone.execute("BEGIN")
    app.outbox(alone).put(queue, {})
    alone.execute("ROLLBACK")
    engine = sqlalchemy.create_engine(f"sqlite:///{tmp_path / 'shop.db'}", isolation_level="AUTOCOMMIT")
    with Session(engine) as session, pytest.raises(errors.UsageError, match=r"session\.begin\(\)"):
        app.outbox(session).put(queue, {})
    engine.dispose()
    alone.close()
    assert rows(shop) == 0


def test_without_a_transaction_in_postgresql(app: App) -> None:
    queue = app.queue("raw")
    with shops.schema(postgres.url()) as url, psycopg.connect(url, autocommit=True) as connection:
        connection.execute(tables.script("postgresql"))
        with pytest.raises(errors.UsageError, match=r"with connection\.transaction\(\)"):
            app.outbox(connection).put(queue, {})
        with connection.transaction():
            app.outbox(connection).put(queue, {})
        assert connection.execute("SELECT COUNT(*) FROM postroad_outbox").fetchone() == (1,)
        engine = sqlalchemy.create_engine(
            url.replace("postgresql", "postgresql+psycopg", 1), isolation_level="AUTOCOMMIT"
        )
        with Session(engine) as session, pytest.raises(errors.UsageError, match=r"session\.begin\(\)"):
            app.outbox(session).put(queue, {})
        engine.dispose()


@pytest.mark.parametrize(
    "wrong", [None, "sqlite:///shop.db", sqlite3.connect, 5], ids=["none", "url", "function", "number"]
)
def test_what_is_no_connection(app: App, wrong: Any) -> None:
    with pytest.raises(errors.ConfigurationError, match="is no connection"):
        app.outbox(wrong)


def test_a_cursor_an_engine_and_another_database(app: App, shop: sqlite3.Connection) -> None:
    with pytest.raises(errors.ConfigurationError, match="is no connection"):
        app.outbox(shop.cursor())
    engine = sqlalchemy.create_engine("sqlite://")
    with pytest.raises(errors.ConfigurationError, match="This makes connections"):
        app.outbox(engine)


def test_a_body_that_cannot_be_sent(app: App, shop: sqlite3.Connection) -> None:
    outbox, queue = app.outbox(shop), app.queue("raw")
    with pytest.raises(errors.Unserialisable):
        outbox.put(queue, {"a": object()})
    with pytest.raises(errors.TooLarge, match="over the limit"):
        outbox.put(queue, b"x" * (app.body_bytes_max + 1))
    with pytest.raises(errors.TooLarge, match="over the limit"):
        outbox.send(Send(Address("raw"), Message("a", b"x" * (app.body_bytes_max + 1))))
    with pytest.raises(errors.InvalidOption, match="id="):
        outbox.send(Send(Address("raw"), Message("", b"1")))
    with pytest.raises(errors.InvalidOption, match="priority="):
        outbox.send(Send(Address("raw"), Message("a", b"1", priority=10)))
    assert rows(shop) == 0


@pytest.mark.parametrize("wrong", ["", None, 5, "a\x00b"])
def test_what_is_no_id_for_an_inbox(app: App, shop: sqlite3.Connection, wrong: Any) -> None:
    with pytest.raises(errors.InvalidOption, match="the message's id"):
        app.inbox(shop).first(wrong)

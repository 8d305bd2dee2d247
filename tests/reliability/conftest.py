"""The shop's database in every library, and an engine beside it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.reliability import postgres, shops
from tests.reliability.engines import Bench
from tests.reliability.shops import Shop

from postroad import App


@pytest.fixture(scope="session")
def postgres_server() -> str:
    return postgres.url()


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    with shops.schema(postgres_server) as url:
        yield url


@pytest.fixture(params=["sqlite3", "psycopg", "alchemy-sqlite", "alchemy-postgresql"])
def library(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def empty_shop(library: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Shop]:
    """Without any table."""
    if "sqlite" in library:
        made = (shops.sqlite_shop if library == "sqlite3" else shops.alchemy_sqlite_shop)(tmp_path)
    else:
        url = request.getfixturevalue("postgres_url")
        made = (shops.psycopg_shop if library == "psycopg" else shops.alchemy_postgres_shop)(url)
    yield made
    made.close()


@pytest.fixture
def shop(empty_shop: Shop) -> Shop:
    return empty_shop.make()


@pytest.fixture(params=["sqlite3", "psycopg"])
def either(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shop]:
    """One of each kind of database."""
    made = (
        shops.sqlite_shop(tmp_path)
        if request.param == "sqlite3"
        else shops.psycopg_shop(request.getfixturevalue("postgres_url"))
    )
    yield made.make()
    made.close()


@pytest.fixture
def engine_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'engine.db'}"


@pytest.fixture
def app(engine_url: str) -> Iterator[App]:
    with App(engine_url) as app:
        yield app


@pytest.fixture
def bench(engine_url: str) -> Bench:
    return Bench(engine_url)

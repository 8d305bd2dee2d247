"""The embedded driver without an application: what is declared, what is sent, what stands in its tables."""

from __future__ import annotations

import itertools
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from postroad.core.message import Address, Message, Send
from postroad.core.topology import Thing
from postroad.drivers.sqlite.driver import SqliteDriver
from postroad.testing.conformance.engine import establish

DEADLINE_S = 20.0
NUMBERS = itertools.count()


def message(body: bytes = b"0", **options: Any) -> Message:
    options.setdefault("id", f"m-{next(NUMBERS)}")
    options.setdefault("queued_at", time.time())
    return Message(body=body, **options)


def to(queue: str, /, **options: Any) -> Send:
    """One message on its way to a queue."""
    return Send(Address(queue), message(**options))


def by(exchange: str, routing_key: str, /, **options: Any) -> Send:
    """One message on its way through an exchange."""
    return Send(Address(routing_key, exchange), message(**options))


@asynccontextmanager
async def opened(
    path: Path | None, *declared: Thing, clock: Callable[[], float] = time.time
) -> AsyncIterator[SqliteDriver]:
    """A driver on this file (None: in memory), where this is declared."""
    async with SqliteDriver(None if path is None else str(path), clock=clock) as driver:
        await establish(driver, *declared)
        yield driver


async def table(driver: SqliteDriver, sql: str, *bindings: object) -> list[tuple[Any, ...]]:
    """What SQLite answers."""
    return await driver.read(lambda session: session.rows(sql, bindings))


async def waiting(driver: SqliteDriver, queue: str) -> int:
    """Messages that nobody holds."""
    return sum(depth.ready + depth.delayed for depth in await driver.queues() if depth.queue == queue)


async def counted(driver: SqliteDriver, counter: str) -> int:
    return int((await table(driver, "SELECT value FROM counter WHERE name = ?", counter))[0][0])


async def comes_true(what: Callable[[], Coroutine[Any, Any, bool]]) -> None:
    """Asks until it is so. Raises AssertionError when it does not become so in time."""
    deadline = time.monotonic() + DEADLINE_S
    while not await what():
        assert time.monotonic() < deadline, "it did not come true in time"


def process(script: str, *arguments: object) -> subprocess.Popen[str]:
    """Another Python with this script; its words come line by line."""
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)], stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True
    )


def hears(other: subprocess.Popen[str], word: str) -> None:
    """The process says this next."""
    assert other.stdout is not None
    assert other.stdout.readline().strip() == word


def killed(others: Sequence[subprocess.Popen[str]]) -> None:
    for other in others:
        other.kill()
    for other in others:
        other.communicate()

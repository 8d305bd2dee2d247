"""Programs that die by SIGKILL, at a point that is named or whenever somebody kills them. Run: python -m tests.reliability.victims."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Sequence
from typing import Any, NoReturn

from tests.reliability.engines import QUEUE, declare, send

from postroad.core.topology import Queue
from postroad.drivers.sqlite.driver import SqliteDriver
from postroad.reliability.databases import Database
from postroad.reliability.origins import Origin, by_url
from postroad.reliability.outbox import OutboxWriter
from postroad.reliability.relay import Relay

LEASE_S = 0.5
PAUSE_S = 0.001
"""Between two transactions: SQLite's lock is not fair, and two writers that never let go starve each other."""
WRITER_POINTS = ("row", "message", "commit", "never")
RELAY_POINTS = ("fetch", "before DELETE", "after DELETE", "commit", "never")


def die() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def write(url: str, name: str, point: str, at: int) -> None:
    """One order a transaction, with its message; of two keys. Dies in the ``at``-th one, just after ``point``."""
    face = by_url(url).open()
    outbox = OutboxWriter(face, None)
    number = 0
    while True:
        number += 1
        id, dying = f"{name}:{number:06d}", number == at
        face.execute("INSERT INTO orders(id) VALUES (:id)", [{"id": id}])
        if dying and point == "row":
            die()
        outbox.write(face, [send(id, f"{name} {number % 2}")])
        if dying and point == "message":
            die()
        face.commit()
        if dying and point == "commit":
            die()
        print(id, flush=True)
        time.sleep(PAUSE_S)


class Dying:
    """The user's database, as the relay has it, up to a step at which the process dies."""

    def __init__(self, inside: Database, point: str, at: int) -> None:
        self.inside = inside
        self.point = point
        self.left = at

    def step(self, point: str) -> None:
        if point == self.point:
            self.left -= 1
            if not self.left:
                die()

    def fetch(self, sql: str, row: Any) -> list[tuple[Any, ...]]:
        found = self.inside.fetch(sql, row)
        if found:
            self.step("fetch")
        return found

    def execute(self, sql: str, rows: Sequence[Any]) -> int:
        self.step("before DELETE")
        done = self.inside.execute(sql, rows)
        self.step("after DELETE")
        return done

    def commit(self) -> None:
        self.inside.commit()
        self.step("commit")

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inside, name)


class DyingOrigin(Origin, frozen=True):
    """``point`` and ``at``: see Dying."""

    point: str = "never"
    at: int = 1

    def open(self) -> Database:
        database: Any = Dying(super().open(), self.point, self.at)
        return database  # type: ignore[no-any-return]


def relay(url: str, file: str, point: str, at: int) -> None:
    """Until it dies."""
    whole = by_url(url)

    async def relayed() -> None:
        async with SqliteDriver(file) as driver:
            await declare(driver, Queue(QUEUE))
            print("relaying", flush=True)
            await Relay(DyingOrigin(whole.name, whole.connect, whole.file, point, at), lambda: file, LEASE_S)(driver)

    asyncio.run(relayed())


if __name__ == "__main__":
    verb, url, name, point, at = sys.argv[1:]
    {"write": write, "relay": relay}[verb](url, name, point, int(at))

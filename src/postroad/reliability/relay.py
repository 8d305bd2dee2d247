"""The relay: brings what an outbox holds to the engine, in order, each message once.

Rows are published under ids that the engine remembers (dedupe), then deleted: a relay that dies between the two leaves
rows that the next one publishes to no effect. A lease keeps it to one relay an outbox, for the order; a relay that lost
its lease unknowing repeats only what its successor has, or will have, published before anything newer.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from postroad.core.message import Receipt, Refused
from postroad.errors import Closed, EngineError, MessageError, NotSupported
from postroad.ports.driver import Driver
from postroad.ports.store import Store
from postroad.reliability import ledger
from postroad.reliability.databases import Database
from postroad.reliability.lease import LEASE_S, Lease
from postroad.reliability.ledger import Aside, Row
from postroad.reliability.origins import Origin
from postroad.reliability.ownfile import refuse_engine_file
from postroad.reliability.rows import send_of
from postroad.reliability.waves import Numbered, waves

logger = logging.getLogger("postroad.outbox")

T = TypeVar("T")

BUSY_REST_S = 0.1
IDLE_REST_S = 1.0
BUSY_FOR_ROUNDS = 50
"""So many empty looks after the last row, a relay still looks every BUSY_REST_S."""
RENEW_AFTER = 0.3
ASK_AFTER = 0.2
"""Parts of the lease's time."""
FAILURE_REST_S = 2.0
FAILURE_REST_MAX_S = 30.0
BOUNDS_S = 1.0
"""So long it is believed that no queue is bounded, or that one is."""
FULL = ("full", "blocked")


class DatabaseThread:
    """One connection, opened and used in one thread of its own: the user's library may block."""

    def __init__(self, origin: Origin, own: str | None) -> None:
        self.origin = origin
        self.own = own
        self.threads = ThreadPoolExecutor(1, "postroad-outbox")
        self.database: Database | None = None

    async def call(self, work: Callable[[Database], T]) -> T:
        """Run it there; the connection is opened by the first call."""
        return await asyncio.get_running_loop().run_in_executor(self.threads, lambda: work(self.opened()))

    def opened(self) -> Database:
        if self.database is None:
            refuse_engine_file([self.origin.file] if self.origin.file else [], self.own)
            self.database = self.origin.open()
            refuse_engine_file(self.database.files(), self.own)
        return self.database

    def close(self) -> None:
        """When what runs there has ended."""
        self.threads.submit(self.close_database)
        self.threads.shutdown(wait=False)

    def close_database(self) -> None:
        if self.database is not None:
            self.database.close()


class Round:
    """What became of one batch. ``held``: keys of which something found no room; ``waiting``: how many rows did."""

    def __init__(self) -> None:
        self.left: list[int] = []
        self.aside: list[Aside] = []
        self.held: set[str] = set()
        self.waiting = 0

    def note(self, row: Numbered, answer: Receipt | Refused) -> None:
        seq, _send = row
        if isinstance(answer, Receipt):
            self.left.append(seq)
        elif answer.kind in FULL:
            self.wait(row)
        else:
            self.aside.append(Aside(seq, answer.reason))

    def wait(self, row: Numbered) -> None:
        self.waiting += 1
        if row[1].message.key is not None:
            self.held.add(row[1].message.key)

    def free(self, rows: list[Numbered]) -> list[Numbered]:
        """Those that no earlier row of their key holds back."""
        for row in rows:
            if row[1].message.key in self.held:
                self.wait(row)
        return [row for row in rows if row[1].message.key not in self.held]

    def read(self, rows: Sequence[Row]) -> list[Numbered]:
        """The sends; rows that hold none are set aside."""
        sends: list[Numbered] = []
        for row in rows:
            try:
                sends.append((row.seq, send_of(row.payload)))
            except MessageError as error:
                self.aside.append(Aside(row.seq, str(error)))
        return sends


class Trouble:
    """What keeps a relay from its work: said once, waited for longer and longer."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.over()

    def over(self) -> None:
        """It works again."""
        self.said = ""
        self.rest = FAILURE_REST_S / 2

    def rest_s(self, error: Exception) -> float:
        """How long until the next try."""
        words = f"{type(error).__name__}: {error}"
        if words != self.said:
            logger.warning("The outbox %s is not relayed now, its rows stay: %s", self.name, words)
        self.said = words
        self.rest = min(self.rest * 2, FAILURE_REST_MAX_S)
        return self.rest


class Bounds:
    """Whether some queue refuses or blocks when it is full."""

    def __init__(self) -> None:
        self.found = False
        self.until = 0.0

    async def any(self, driver: Driver) -> bool:
        if time.monotonic() >= self.until:
            self.found = any(queue.max_length is not None for queue in (await driver.topology()).queues)
            self.until = time.monotonic() + BOUNDS_S
        return self.found


class Relay:
    """A service of workers (App.services), for one outbox. ``own``: answers the engine's file, where no outbox may lie.

    ``lease_s``: how long after its death another one takes over.
    """

    def __init__(self, origin: Origin, own: Callable[[], str | None], lease_s: float = LEASE_S) -> None:
        self.origin = origin
        self.own = own
        self.lease_s = lease_s
        self.trouble = Trouble(origin.name)
        self.bounds = Bounds()

    async def __call__(self, driver: Driver) -> None:
        """Until it is cancelled. Whatever goes wrong is logged, and tried again."""
        lease = self.lease(driver)
        while True:
            try:
                if await lease.take():
                    await self.lead(driver, lease)
            except Exception as error:
                await asyncio.sleep(self.trouble.rest_s(error))
            else:
                await asyncio.sleep(self.lease_s * ASK_AFTER)

    async def lead(self, driver: Driver, lease: Lease) -> None:
        """For as long as the lease lasts."""
        database = DatabaseThread(self.origin, self.own())
        empty = 0
        try:
            while await lease.keep():
                count = await self.round(driver, lease, database)
                self.trouble.over()
                empty = 0 if count else empty + 1
                await asyncio.sleep(rest_s(count, empty))
        finally:
            database.close()
            await asyncio.shield(lease.give_back())

    async def drain(self, driver: Driver) -> int:
        """Relay what is there, and end: how many rows have left or were set aside. Raises NotSupported while another relays."""
        lease = self.lease(driver)
        if not await lease.take():
            raise NotSupported(
                f"Another relay has the outbox {self.origin.name}: a worker, as a rule. Let it do it, or stop it first."
            )
        database, total = DatabaseThread(self.origin, self.own()), 0
        try:
            while await lease.keep() and (count := await self.round(driver, lease, database)):
                total += count
            return total
        finally:
            database.close()
            await asyncio.shield(lease.give_back())

    def lease(self, driver: Driver) -> Lease:
        return Lease(store_of(driver), f"outbox:{self.origin.name}", self.lease_s, self.lease_s * RENEW_AFTER)

    async def round(self, driver: Driver, lease: Lease, database: DatabaseThread) -> int:
        """One batch; how many rows are gone from the waiting ones."""
        rows = await database.call(ledger.read)
        if not rows or not lease.held:
            return 0
        done = Round()
        await self.publish(driver, done.read(rows), done)
        if done.left or done.aside:
            await database.call(lambda opened: ledger.settle(opened, done.left, done.aside))
        self.report(done)
        return len(done.left) + len(done.aside)

    async def publish(self, driver: Driver, sends: list[Numbered], done: Round) -> None:
        """In portions, where some queue may refuse for want of room."""
        for portion in waves(sends) if await self.bounds.any(driver) else [sends]:
            await publish(driver, done.free(portion), done)

    def report(self, done: Round) -> None:
        for one in done.aside:
            logger.error(
                "Row %d of the outbox %s was set aside (postroad outbox status): %s",
                one.seq,
                self.origin.name,
                one.reason,
            )
        if done.waiting:
            logger.info("%d rows of the outbox %s wait for room in their queues.", done.waiting, self.origin.name)


async def publish(driver: Driver, rows: list[Numbered], done: Round) -> None:
    """All at once; one by one when something among them makes the engine stumble."""
    if not rows:
        return
    try:
        answers = await driver.publish([send for _seq, send in rows])
    except (EngineError, Closed, OSError):
        raise
    except Exception as error:
        if len(rows) == 1:
            done.aside.append(Aside(rows[0][0], f"{type(error).__name__}: {error}"))
            return
        for row in rows:
            await publish(driver, done.free([row]), done)
        return
    for row, answer in zip(rows, answers, strict=True):
        done.note(row, answer)


def store_of(driver: Driver) -> Store:
    if not isinstance(driver, Store):
        raise NotSupported(
            "outbox= needs a store, for the lease of its relay, and this engine is none: give App(store=...)."
        )
    return driver


def rest_s(count: int, empty: int) -> float:
    """After a round that moved ``count`` rows; ``empty``: how many in a row moved none."""
    if count:
        return 0.0 if count >= ledger.BATCH // 2 else BUSY_REST_S
    return BUSY_REST_S if empty <= BUSY_FOR_ROUNDS else IDLE_REST_S

"""Removing what has expired, a chunk at a time, so that nobody waits for the lock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from postroad.drivers.sqlite.documents import SWEEP
from postroad.drivers.sqlite.session import Session

if TYPE_CHECKING:
    from postroad.drivers.sqlite.driver import SqliteDriver

CHUNK = 1000
FREE_PAGES = 500
CANCEL_KEPT_S = 86400.0

EXPIRED = """
SELECT EXISTS (SELECT 1 FROM doc WHERE expires_at <= ?1) OR EXISTS (SELECT 1 FROM inbox WHERE until <= ?1)
"""
SWEEP_INBOX = (
    "DELETE FROM inbox WHERE (queue, id) IN (SELECT queue, id FROM inbox WHERE until <= ?1 ORDER BY until LIMIT ?2)"
)
SWEEP_KEYS = "DELETE FROM claimed_key WHERE until <= ?1"
SWEEP_CANCELS = "DELETE FROM cancel WHERE at <= ?1"


async def tidy(driver: SqliteDriver) -> None:
    """One chunk, if there is anything."""
    if await driver.read(has_expired):
        await driver.call(remove_chunk)
    if await driver.read(free_pages) > FREE_PAGES * 4:
        await driver.call(give_pages_back)


def has_expired(session: Session) -> bool:
    return bool(session.value(EXPIRED, (session.clock(),)))


def free_pages(session: Session) -> int:
    return int(session.value("PRAGMA freelist_count"))


def remove_chunk(session: Session) -> None:
    now = session.clock()
    session.connection.execute(SWEEP, (now, CHUNK))
    session.connection.execute(SWEEP_INBOX, (now, CHUNK))
    session.connection.execute(SWEEP_KEYS, (now,))
    session.connection.execute(SWEEP_CANCELS, (now - CANCEL_KEPT_S,))


def give_pages_back(session: Session) -> None:
    session.connection.execute(f"PRAGMA incremental_vacuum({FREE_PAGES})")

"""Which living holders take from a queue."""

from __future__ import annotations

from pathlib import Path

from postroad.drivers.sqlite import seats
from postroad.drivers.sqlite.session import Session

TAKERS = """
SELECT h.id, h.name, h.pid FROM holder h WHERE EXISTS (SELECT 1 FROM json_each(h.queues) e WHERE e.value = ?1) ORDER BY h.id
"""

Taker = tuple[int, str, int]
"""A holder: its number, its seat's name, its process."""


def takers(session: Session, folder: Path | None, queue: str) -> list[Taker]:
    """The living holders that take from it."""
    return [taker for taker in session.rows(TAKERS, (queue,)) if lives(folder, taker[1])]


def lives(folder: Path | None, name: str) -> bool:
    """In memory there is one process, and its holders go when they close."""
    return folder is None or not seats.is_free(folder, name)

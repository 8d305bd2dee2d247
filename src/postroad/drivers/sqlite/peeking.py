"""What waits in a queue, in the order in which one consumer would get it if nothing else came."""

from __future__ import annotations

import heapq
from pathlib import Path
from typing import NamedTuple

from postroad.drivers.sqlite import inspection
from postroad.drivers.sqlite.session import Session, as_json
from postroad.ports.driver import Located

SUSPECTS = """
SELECT m.seq, m.rank, m.key, 0 FROM suspect s JOIN message m ON m.seq = s.seq WHERE s.queue = ?1 ORDER BY s.seq LIMIT ?2
"""
READY = """
SELECT m.seq, m.rank, m.key, 0 FROM ready r JOIN message m ON m.seq = r.seq WHERE r.queue = ?1 ORDER BY r.rank, r.seq LIMIT ?2
"""
DELAYED = """
SELECT m.seq, m.rank, m.key, d.due_at FROM due d JOIN message m ON m.seq = d.seq WHERE d.queue = ?1 ORDER BY d.due_at, d.seq LIMIT ?2
"""
BEHIND_HELD = """
SELECT m.seq, m.rank, m.key, 0 FROM leased l JOIN message h ON h.seq = l.seq JOIN message m ON m.seq =
  (SELECT f.seq FROM follower f WHERE f.queue = h.queue AND f.key = h.key ORDER BY f.seq LIMIT 1)
WHERE l.queue = ?1 AND h.key IS NOT NULL
"""
NEXT = """
SELECT m.seq, m.rank, m.key, 0 FROM follower f JOIN message m ON m.seq = f.seq
WHERE f.queue = ?1 AND f.key = ?2 AND f.seq > ?3 ORDER BY f.seq LIMIT 1
"""
LEADS = "SELECT EXISTS (SELECT 1 FROM lane WHERE queue = ?1 AND key = ?2 AND seq = ?3)"
CHOSEN = "SELECT value AS seq FROM json_each(?1)"

FIRST, USUAL, LATER = range(3)
"""Sections: suspects before all; what is ready; what is delayed, with what waits behind it."""


class Place(NamedTuple):
    """Where a message stands; places sort as they are delivered. ``after``: the next one of its key is the first with a
    higher seq than this; None: nobody waits for it."""

    section: int
    due_at: float
    rank: int
    seq: int
    key: str | None
    after: int | None


def peek(session: Session, folder: Path | None, queue: str, limit: int) -> list[Located]:
    """Raises NotFound."""
    number = session.queue_number(queue)
    found: list[Located] = []
    with session.connection:  # all that is read is of one instant
        order = delivery_order(session, number, limit)
        found = inspection.placed(session, folder, CHOSEN, (as_json(order),), order)
    return found


def delivery_order(session: Session, queue: int, limit: int) -> list[int]:
    """The first seqs. Of a key the next one comes when the one before it has ended."""
    waiting = firsts(session, queue, limit)
    heapq.heapify(waiting)
    order: list[int] = []
    while waiting and len(order) < limit:
        place = heapq.heappop(waiting)
        order.append(place.seq)
        following = next_of(session, queue, place)
        if following is not None:
            heapq.heappush(waiting, following)
    return order


def firsts(session: Session, queue: int, limit: int) -> list[Place]:
    """Those that wait for no other one that waits."""
    places = [Place(FIRST, 0.0, 0, seq, key, 0) for seq, _rank, key, _ in session.rows(SUSPECTS, (queue, limit))]
    places += [Place(USUAL, 0.0, rank, seq, key, 0) for seq, rank, key, _ in session.rows(READY, (queue, limit))]
    places += [Place(USUAL, 0.0, rank, seq, key, seq) for seq, rank, key, _ in session.rows(BEHIND_HELD, (queue,))]
    for seq, rank, key, due_at in session.rows(DELAYED, (queue, limit)):
        leads = key is not None and session.value(LEADS, (queue, key, seq))
        places.append(Place(LATER, due_at, rank, seq, key, 0 if leads else None))
    return places


def next_of(session: Session, queue: int, place: Place) -> Place | None:
    """The one of its key that may come when it has ended."""
    if place.key is None or place.after is None:
        return None
    for seq, rank, key, _ in session.connection.execute(NEXT, (queue, place.key, place.after)):
        return Place(max(place.section, USUAL), place.due_at, rank, seq, key, seq)
    return None

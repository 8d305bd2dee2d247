"""Looking into the engine: short reads, that change nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from postroad.drivers.sqlite import seats
from postroad.drivers.sqlite.directory import QUEUE
from postroad.drivers.sqlite.rows import ROW, Row, message_of
from postroad.drivers.sqlite.session import Session, as_json
from postroad.drivers.sqlite.takers import lives
from postroad.ports.driver import HolderInfo, Located, QueueDepth

DEPTHS = """
SELECT q.name, q.declared, (SELECT count(*) FROM ready r WHERE r.queue = q.id)
         + (SELECT count(*) FROM follower f WHERE f.queue = q.id) + (SELECT count(*) FROM suspect s WHERE s.queue = q.id),
       (SELECT count(*) FROM due d WHERE d.queue = q.id), coalesce(l.held, 0), (SELECT count(*) FROM dead d WHERE d.queue = q.id),
       (SELECT min(m.head ->> 1) FROM json_each('[0,1,2,3,4,5,6,7,8,9]') p JOIN message m ON m.seq =
         (SELECT r.seq FROM ready r WHERE r.queue = q.id AND r.rank = p.value ORDER BY r.seq LIMIT 1)),
       (SELECT value FROM counter WHERE name = 'published:' || q.id)
FROM queue q LEFT JOIN (SELECT queue, count(*) AS held FROM leased GROUP BY queue) l ON l.queue = q.id ORDER BY q.name
"""
TAKERS = "SELECT name, queues FROM holder"
COUNTERS = ("unrouted", "duplicates", "accepted", "released", "rejected", "recovered")

PLACE = """
CASE WHEN l.seq IS NOT NULL THEN '"held"' WHEN d.seq IS NOT NULL THEN '"delayed"' ELSE '"ready"' END
|| ',' || coalesce(l.token, 'null') || ',' || json_quote(h.name) || ',' || json_quote(h.worker) || ',' || coalesce(d.due_at, 'null')
"""
LOCATE = f"""
SELECT '[' || coalesce(group_concat({ROW} || ',' || {PLACE} || ']'), '') || ']' FROM ({{chosen}}) c JOIN message m ON m.seq = c.seq
LEFT JOIN leased l ON l.seq = m.seq LEFT JOIN holder h ON h.id = l.holder LEFT JOIN due d ON d.due_at = m.due_at AND d.seq = m.seq
"""
BY_ID = "SELECT m.seq FROM json_each(?1) e CROSS JOIN message m ON m.id = e.value WHERE m.flags & 1"
BY_ID_SCAN = "SELECT m.seq FROM message m WHERE m.id IN (SELECT value FROM json_each(?1))"
NEWEST = "SELECT m.seq FROM message m WHERE ?1 IS NULL OR m.queue = ?1 ORDER BY m.seq DESC LIMIT ?2"

HOLDERS = """
SELECT name, pid, supervisor_pid, host, started_at, worker, (SELECT count(*) FROM leased l WHERE l.holder = holder.id), queues
FROM holder
ORDER BY started_at
"""
RUNNING_IDS = """
SELECT json_group_array(m.id) FROM json_each(?1) e JOIN leased l ON l.token = e.value AND l.seq = CAST(e.key AS INTEGER)
JOIN message m ON m.seq = l.seq
"""


class PlacedRow(Row, frozen=True, gc=False, array_like=True):
    place: str = ""
    token: int | None = None
    holder: str | None = None
    worker: str | None = None
    next_due: float | None = None


PLACED = msgspec.json.Decoder(list[PlacedRow])
IDS = msgspec.json.Decoder(tuple[str, ...])


def depths(session: Session, folder: Path | None) -> list[QueueDepth]:
    """In one statement, so of one instant: a message that moves meanwhile is in one place, never in none."""
    now = session.clock()
    rows = session.rows(DEPTHS)
    takers = consumers(session, folder)
    return [depth(row, takers, now) for row in rows]


def depth(row: tuple[Any, ...], takers: Mapping[str, int], now: float) -> QueueDepth:
    name, declared, ready, delayed, held, dead, oldest, published = row
    queue = QUEUE.decode(declared)
    age_s = None if oldest is None else max(0.0, now - oldest)
    return QueueDepth(
        name, ready, delayed, held, dead, age_s, queue.carries, queue.max_length, takers.get(name, 0), published or 0
    )


def consumers(session: Session, folder: Path | None) -> Counter[str]:
    """How many living processes take from each queue."""
    taken = [IDS.decode(queues) for name, queues in session.rows(TAKERS) if lives(folder, name)]
    return Counter(queue for queues in taken for queue in set(queues))


def counters(session: Session) -> dict[str, int]:
    """Since the file was made."""
    counts: dict[str, int] = dict(session.rows("SELECT name, value FROM counter"))
    return {"published": counts["seq"], **{name: counts[name] for name in COUNTERS}}


def locate(session: Session, folder: Path | None, ids: Sequence[str]) -> list[Located]:
    """Where these messages are. Ids that are not tracked are looked for in the whole file."""
    text = as_json(list(ids))
    found = placed(session, folder, BY_ID, (text,))
    if len(found) == len(set(ids)):
        return found
    return (
        placed(session, folder, BY_ID_SCAN, (text,)) if session.value("SELECT EXISTS (SELECT 1 FROM message)") else []
    )


def locate_tracked(session: Session, folder: Path | None, ids: Sequence[str]) -> list[Located]:
    return placed(session, folder, BY_ID, (as_json(list(ids)),))


def newest(session: Session, folder: Path | None, queue: str | None, limit: int) -> list[Located]:
    number = None if queue is None else session.queue_number(queue)
    return placed(session, folder, NEWEST, (number, limit))


def placed(
    session: Session, folder: Path | None, chosen: str, bindings: tuple[object, ...], order: Sequence[int] = ()
) -> list[Located]:
    """``order``: of the seqs, when it matters."""
    rows = PLACED.decode(session.value(LOCATE.format(chosen=chosen), bindings))
    if order:
        places = {seq: place for place, seq in enumerate(order)}
        rows.sort(key=lambda row: places[row.seq])
    started = started_receipts(folder, {row.holder for row in rows if row.holder})
    return [located(session, row, started) for row in rows]


def started_receipts(folder: Path | None, holders: set[str]) -> set[tuple[int, int]]:
    """The (token, seq) whose handlers run now, by the holders' start slots."""
    if folder is None:
        return set()
    return {receipt for name in holders for receipt in seats.running_in(folder, name, seats.boot_id()) or []}


def located(session: Session, row: PlacedRow, started: set[tuple[int, int]]) -> Located:
    runs = row.token is not None and (row.token, row.seq) in started
    return Located(
        row.id, session.queue_name(row.queue), "running" if runs else row.place, message_of(row), row.attempt, row.crashes,
        row.next_due, row.worker, None, row.history or (),
    )  # fmt: skip


def holders(session: Session, folder: Path | None) -> list[HolderInfo]:
    rows = session.rows(HOLDERS)
    return [holder_info(session, folder, row) for row in rows]


def holder_info(session: Session, folder: Path | None, row: tuple[Any, ...]) -> HolderInfo:
    name, pid, supervisor_pid, host, started_at, worker, in_flight, queues = row
    started = sorted(started_receipts(folder, {name}))
    ids = (
        IDS.decode(session.value(RUNNING_IDS, (as_json({str(seq): token for token, seq in started}),)))
        if started
        else ()
    )
    return HolderInfo(
        worker or name, pid, supervisor_pid, host, started_at, "alive" if lives(folder, name) else "dead", in_flight, ids,
        IDS.decode(queues),
    )  # fmt: skip

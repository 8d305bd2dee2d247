"""Looking into the engine: short reads, that change nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from postroad.drivers.sqlite import seats
from postroad.drivers.sqlite.rows import ROW, Row, message_of
from postroad.drivers.sqlite.session import Session, as_json
from postroad.ports.driver import DeadLetterFilter, DeadLetterRecord, HolderInfo, Located, QueueDepth

DEPTHS = """
SELECT q.name, (SELECT count(*) FROM ready r WHERE r.queue = q.id) + (SELECT count(*) FROM follower f WHERE f.queue = q.id)
         + (SELECT count(*) FROM suspect s WHERE s.queue = q.id),
       (SELECT count(*) FROM leased l WHERE l.queue = q.id), (SELECT count(*) FROM dead d WHERE d.queue = q.id),
       (SELECT min(m.head ->> 1) FROM json_each('[0,1,2,3,4,5,6,7,8,9]') p JOIN message m ON m.seq =
         (SELECT r.seq FROM ready r WHERE r.queue = q.id AND r.rank = p.value ORDER BY r.seq LIMIT 1)),
       coalesce(d.delayed, 0)
FROM queue q LEFT JOIN (SELECT queue, count(*) AS delayed FROM due GROUP BY queue) d ON d.queue = q.id ORDER BY q.name
"""

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

DEAD_WHERE = """
(?1 IS NULL OR d.queue = ?1) AND (?2 IS NULL OR substr(d.fingerprint, 1, length(?2)) = ?2) AND (?3 IS NULL OR d.error_type = ?3)
AND (?4 IS NULL OR d.number = ?4) AND (?5 IS NULL OR d.id = ?5)
"""
DEAD = f"""
SELECT '[' || coalesce(group_concat({ROW.replace("m.seq", "m.number")} || ',' || json_quote(m.reason) || ',' || json_quote(m.error_type)
       || ',' || json_quote(m.fingerprint) || ',' || m.died_at || ',' || json_quote(m.worker) || ']'), '') || ']' FROM (
  SELECT d.* FROM dead d WHERE {DEAD_WHERE} AND (?7 IS NULL OR d.number < ?7) ORDER BY d.number DESC LIMIT ?6) m
"""
DEAD_COUNT = f"SELECT count(*) FROM dead d WHERE {DEAD_WHERE}"

HOLDERS = """
SELECT name, pid, supervisor_pid, host, started_at, worker, (SELECT count(*) FROM leased l WHERE l.holder = holder.id) FROM holder
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


class DeadRow(Row, frozen=True, gc=False, array_like=True):
    reason: str = ""
    error_type: str = ""
    fingerprint: str = ""
    died_at: float = 0.0
    worker: str = ""


PLACED = msgspec.json.Decoder(list[PlacedRow])
DEAD_ROWS = msgspec.json.Decoder(list[DeadRow])
IDS = msgspec.json.Decoder(tuple[str, ...])


def depths(session: Session) -> list[QueueDepth]:
    """In one statement, so of one instant: a message that moves meanwhile is in one place, never in none."""
    now = session.clock()
    return [
        QueueDepth(name, ready, delayed, held, dead, None if oldest is None else max(0.0, now - oldest))
        for name, ready, held, dead, oldest, delayed in session.rows(DEPTHS)
    ]


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


def placed(session: Session, folder: Path | None, chosen: str, bindings: tuple[object, ...]) -> list[Located]:
    rows = PLACED.decode(session.value(LOCATE.format(chosen=chosen), bindings))
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


def dead_bindings(session: Session, which: DeadLetterFilter) -> tuple[object, ...]:
    number = None if which.source is None else session.queue_number(which.source)
    return (number, which.fingerprint, which.error_type, which.number, which.id)


def dead_letters(session: Session, which: DeadLetterFilter, limit: int, before: int | None) -> list[DeadLetterRecord]:
    rows = DEAD_ROWS.decode(session.value(DEAD, (*dead_bindings(session, which), limit, before)))
    return [dead_record(session, row) for row in rows]


def dead_record(session: Session, row: DeadRow) -> DeadLetterRecord:
    return DeadLetterRecord(
        row.seq, session.queue_name(row.queue), message_of(row), row.reason, row.error_type, row.fingerprint, row.died_at,
        row.attempt, row.crashes, row.worker, row.history or (),
    )  # fmt: skip


def count_dead(session: Session, which: DeadLetterFilter) -> int:
    return int(session.value(DEAD_COUNT, dead_bindings(session, which)))


def holders(session: Session, folder: Path | None) -> list[HolderInfo]:
    rows = session.rows(HOLDERS)
    return [holder_info(session, folder, row) for row in rows]


def holder_info(session: Session, folder: Path | None, row: tuple[Any, ...]) -> HolderInfo:
    name, pid, supervisor_pid, host, started_at, worker, in_flight = row
    alive = folder is None or not seats.is_free(folder, name)
    started = sorted(started_receipts(folder, {name}))
    ids = (
        IDS.decode(session.value(RUNNING_IDS, (as_json({str(seq): token for token, seq in started}),)))
        if started
        else ()
    )
    return HolderInfo(
        worker or name, pid, supervisor_pid, host, started_at, "alive" if alive else "dead", in_flight, ids
    )

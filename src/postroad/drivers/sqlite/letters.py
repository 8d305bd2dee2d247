"""Dead letters as they are chosen and read. Looking changes nothing."""

from __future__ import annotations

from typing import Any

import msgspec

from postroad.drivers.sqlite import story
from postroad.drivers.sqlite.rows import ROW, Row, message_of
from postroad.drivers.sqlite.session import Session
from postroad.ports.driver import DeadLetterFilter, DeadLetterRecord

CONDITIONS = {
    "source": "d.queue = :source",
    "fingerprint": "substr(d.fingerprint, 1, length(:fingerprint)) = :fingerprint",
    "error_type": "d.error_type = :error_type",
    "number": "d.number = :number",
    "id": "d.id = :id",
    "task": "(d.head ->> '$[0].\"postroad-task\"') = :task",
    "reason": "instr(d.reason, :reason) > 0",
    "since": "d.died_at >= :since",
    "until": "d.died_at < :until",
}
"""A condition a field of the filter, with the value bound by the field's name."""

RECORDS = f"""
SELECT '[' || coalesce(group_concat({ROW.replace("m.seq", "m.number")} || ',' || json_quote(m.reason) || ',' || json_quote(m.error_type)
       || ',' || json_quote(m.fingerprint) || ',' || m.died_at || ',' || json_quote(m.worker) || ']'), '') || ']' FROM (
  SELECT d.* FROM dead d WHERE {{where}} ORDER BY d.number DESC LIMIT :limit) m
"""


class DeadRow(Row, frozen=True, gc=False, array_like=True):
    reason: str = ""
    error_type: str = ""
    fingerprint: str = ""
    died_at: float = 0.0
    worker: str = ""


ROWS = msgspec.json.Decoder(list[DeadRow])

Bindings = dict[str, Any]


def where(session: Session, which: DeadLetterFilter) -> tuple[str, Bindings]:
    """The SQL over ``dead d``, and its bindings. Raises NotFound for a source that is not declared."""
    given: Bindings = {name: value for name, value in msgspec.structs.asdict(which).items() if value is not None}
    if which.source is not None:
        given["source"] = session.queue_number(which.source)
    return " AND ".join(CONDITIONS[name] for name in given) or "true", given


def find(session: Session, which: DeadLetterFilter, limit: int, before: int | None) -> list[DeadLetterRecord]:
    """Newest first; those with numbers below ``before``."""
    conditions, given = where(session, which)
    if before is not None:
        conditions += " AND d.number < :before"
    return records(session, conditions, {**given, "limit": limit, "before": before})


def records(session: Session, conditions: str, given: Bindings) -> list[DeadLetterRecord]:
    rows = ROWS.decode(session.value(RECORDS.format(where=conditions), given))
    return [record(session, row) for row in rows]


def record(session: Session, row: DeadRow) -> DeadLetterRecord:
    history = row.history or ()
    return DeadLetterRecord(
        row.seq, session.queue_name(row.queue), message_of(row), row.reason, row.error_type, row.fingerprint, row.died_at,
        row.attempt, row.crashes, row.worker, history, story.deaths(history), story.was_edited(history),
    )  # fmt: skip


def count(session: Session, which: DeadLetterFilter) -> int:
    conditions, given = where(session, which)
    return int(session.value(f"SELECT count(*) FROM dead d WHERE {conditions}", given))

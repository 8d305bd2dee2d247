"""Sends become rows: a number of statements that does not grow with the batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from postroad.core.message import Receipt, Refused, Send
from postroad.core.writes import Write
from postroad.drivers.sqlite import dedupe, documents, lanes
from postroad.drivers.sqlite.rows import InsertRow, message_row
from postroad.drivers.sqlite.session import WORK, Session, as_json
from postroad.errors import NotFound

COLUMNS = "INSERT INTO message(id, queue, rank, key, due_at, flags, head, body, seq, attempt, crashes) "
INSERT = (
    COLUMNS
    + """
SELECT e.value->>0, e.value->>1, e.value->>2, e.value->>3, e.value->>4, e.value->>5, e.value->>6,
       CASE WHEN e.value->>5 & 16 THEN CAST(e.value->>7 AS BLOB) ELSE unhex(e.value->>7) END, ?1 + e.key, 1, 0
FROM jsonb_each(?2) e
"""
)
INSERT_ONE = (
    COLUMNS
    + "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, CASE WHEN ?6 & 16 THEN CAST(?8 AS BLOB) ELSE unhex(?8) END, ?9, 1, 0)"
)
READY_ALL = "INSERT INTO ready SELECT queue, rank, seq FROM message WHERE seq >= ?1"
READY = READY_ALL + " AND due_at IS NULL AND key IS NULL"
DUE = "INSERT INTO due SELECT due_at, seq, queue FROM message WHERE seq >= ?1 AND due_at IS NOT NULL"


def publish(session: Session, sends: Sequence[Send], writes: Sequence[Write] = ()) -> list[Receipt | Refused]:
    """Insert them all; answers in order. What a queue does not take is answered Refused and not kept."""
    documents.apply(session, writes)
    answers: list[Receipt | Refused | None] = [refusal(session, send) for send in sends]
    taken = [index for index, answer in enumerate(answers) if answer is None]
    if any(sends[index].message.dedupe or sends[index].message.unique for index in taken):
        taken = dedupe.first_ones(session, sends, taken, answers)
    insert(session, [sends[index] for index in taken])
    return [answer or Receipt(send.message.id) for answer, send in zip(answers, sends, strict=True)]


def refusal(session: Session, send: Send) -> Refused | None:
    """Why this send cannot be taken at all."""
    if send.to.exchange:
        return Refused(send.message.id, "unroutable", f"exchange {send.to.exchange!r}: exchanges are not built yet")
    if send.to.routing_key in session.numbers:
        return None
    try:
        session.queue_number(send.to.routing_key)
    except NotFound as error:
        return Refused(send.message.id, "unroutable", str(error))
    return None


class Batch(msgspec.Struct, frozen=True, gc=False):
    """Messages ready to be inserted. ``rows``: JSON text for INSERT; ``alone``: the row, when there is only one."""

    count: int
    rows: str
    alone: InsertRow | None
    delayed: bool
    keyed: bool


def batch_of(sends: Sequence[Send], numbers: Mapping[str, int]) -> Batch:
    """The work that needs no connection: whoever sends much does it himself, beside the writer."""
    rows = [message_row(send.message, numbers[send.to.routing_key]) for send in sends]
    alone = rows[0] if len(rows) == 1 else None
    delayed = any(send.message.due_at is not None for send in sends)
    keyed = any(send.message.key is not None for send in sends)
    return Batch(len(rows), "" if alone else as_json(rows), alone, delayed, keyed)


def is_plain(send: Send, numbers: Mapping[str, int]) -> bool:
    """Nothing must be looked up before it is inserted."""
    message = send.message
    return not (message.dedupe or message.unique or send.to.exchange) and send.to.routing_key in numbers


def insert(session: Session, sends: Sequence[Send]) -> None:
    if sends:
        insert_batch(session, batch_of(sends, session.numbers))


def insert_batch(session: Session, batch: Batch) -> None:
    first = session.bump("seq", batch.count) - batch.count + 1
    if batch.alone is not None:
        session.connection.execute(INSERT_ONE, (*batch.alone, first))
    else:
        session.connection.execute(INSERT, (first, batch.rows))
    place(session, batch.delayed, batch.keyed, first)
    session.bells |= WORK


def place(session: Session, delayed: bool, keyed: bool, first: int) -> None:
    """The entries that say where the new messages wait."""
    session.connection.execute(READY if delayed or keyed else READY_ALL, (first,))
    if delayed:
        session.connection.execute(DUE, (first,))
    if keyed:
        lanes.enter_since(session, first)

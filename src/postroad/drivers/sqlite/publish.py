"""Sends become rows: a number of statements that does not grow with the batch."""

from __future__ import annotations

from collections.abc import Sequence

from postroad.core.message import Message, Receipt, Refused, Send
from postroad.core.writes import Write
from postroad.drivers.sqlite import dedupe, documents, lanes
from postroad.drivers.sqlite.rows import message_row
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


def insert(session: Session, sends: Sequence[Send]) -> None:
    if not sends:
        return
    rows = [message_row(send.message, session.numbers[send.to.routing_key]) for send in sends]
    first = session.bump("seq", len(rows)) - len(rows) + 1
    if len(rows) == 1:
        session.connection.execute(INSERT_ONE, (*rows[0], first))
    else:
        session.connection.execute(INSERT, (first, as_json(rows)))
    place(session, [send.message for send in sends], first)
    session.bells |= WORK


def place(session: Session, messages: Sequence[Message], first: int) -> None:
    """The entries that say where the new messages wait."""
    delayed = any(message.due_at is not None for message in messages)
    keyed = any(message.key is not None for message in messages)
    session.connection.execute(READY if delayed or keyed else READY_ALL, (first,))
    if delayed:
        session.connection.execute(DUE, (first,))
    if keyed:
        lanes.enter_since(session, first)

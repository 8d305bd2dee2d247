"""Sends become rows: a number of statements that does not grow with the batch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec

from postroad.core.message import Message, Receipt, Refused, Send
from postroad.core.topology import Queue
from postroad.core.writes import Write
from postroad.drivers.sqlite import bounds, documents, lanes
from postroad.drivers.sqlite.admission import Admission, Answer
from postroad.drivers.sqlite.directory import VERSION, Directory
from postroad.drivers.sqlite.routing import Numbers, plain_numbers
from postroad.drivers.sqlite.rows import InsertRow, message_row
from postroad.drivers.sqlite.session import WORK, NotAsExpected, Session, as_json

COLUMNS = "INSERT INTO message(id, queue, rank, key, due_at, flags, head, body, seq, attempt, crashes) "
VALUES = """
e.value->>2, e.value->>3, e.value->>4, e.value->>5, e.value->>6,
CASE WHEN e.value->>5 & 16 THEN CAST(e.value->>7 AS BLOB) ELSE unhex(e.value->>7) END"""
INSERT = f"{COLUMNS} SELECT e.value->>0, e.value->>1, {VALUES}, ?1 + e.key, 1, 0 FROM jsonb_each(?2) e"
INSERT_FANNED = f"""
{COLUMNS} SELECT e.value->>0, q.value, {VALUES}, ?1 + (e.value->>8) + q.key, 1, 0 FROM jsonb_each(?2) e, json_each(e.value, '$[1]') q
"""
INSERT_ONE = (
    COLUMNS
    + "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, CASE WHEN ?6 & 16 THEN CAST(?8 AS BLOB) ELSE unhex(?8) END, ?9, 1, 0)"
)
READY_ALL = "INSERT INTO ready SELECT queue, rank, seq FROM message WHERE seq >= ?1"
READY = READY_ALL + " AND due_at IS NULL AND key IS NULL"
DUE = "INSERT INTO due SELECT due_at, seq, queue FROM message WHERE seq >= ?1 AND due_at IS NOT NULL"
COUNT_ONE = "UPDATE counter SET value = value + ?1 WHERE name IN ('seq', ?2) RETURNING name, value"
COUNT_EACH = """
UPDATE counter SET value = value + (SELECT e.value FROM json_each(?1) e WHERE e.key = counter.name)
WHERE name IN (SELECT key FROM json_each(?1))
"""
SEQ = "SELECT value FROM counter WHERE name = 'seq'"

Parcel = tuple[Message, Numbers]
"""A message and the queues that get it."""


def publish(session: Session, sends: Sequence[Send], writes: Sequence[Write] = ()) -> list[Answer]:
    """Insert them all; answers in order. What a queue does not take is answered Refused and not kept."""
    documents.apply(session, writes)
    plain = session.directory.plain
    if all(is_plain(send, plain) for send in sends):
        insert(session, [(send.message, plain[send.to.routing_key]) for send in sends])
        return [Receipt(send.message.id) for send in sends]
    admission = Admission(session, sends)
    answers = admission.decide_all(sends)
    admission.keep()
    insert(session, admission.taken)
    return answers


def is_plain(send: Send, plain: Mapping[str, Numbers]) -> bool:
    """Nothing must be looked up before it is inserted. ``plain``: the queues that take whatever comes."""
    message = send.message
    return not (message.dedupe or message.unique or send.to.exchange) and send.to.routing_key in plain


def refusals(session: Session, sends: Sequence[Send]) -> list[Refused | None]:
    """Why each of these, sent one after the other, would not be taken. Writes nothing."""
    plain = session.directory.plain
    if all(is_plain(send, plain) for send in sends):
        return [None] * len(sends)
    admission = Admission(session, sends)
    return [answer if isinstance(answer, Refused) else None for answer in admission.decide_all(sends)]


def refusal(session: Session, send: Send) -> Refused | None:
    """Why this send alone would not be taken."""
    return refusals(session, [send])[0]


class Batch(msgspec.Struct, frozen=True, gc=False):
    """Messages ready to be inserted, as ``count`` rows. ``rows``: JSON text for INSERT, or INSERT_FANNED when ``fanned``;
    ``alone``: the row, when there is only one. ``published``: how many rows go to each queue."""

    count: int
    rows: str
    alone: InsertRow | None
    fanned: bool
    delayed: bool
    keyed: bool
    published: dict[int, int]


def batch_of(parcels: Sequence[Parcel], special: Mapping[int, Queue]) -> Batch:
    """The work that needs no connection: whoever sends much does it himself, beside the writer.

    ``special``: the queues with a bound or a ttl.
    """
    routes = Counter([queues for _message, queues in parcels])
    fanned = any(len(queues) > 1 for queues in routes)
    messages = [message for message, _queues in parcels]
    published = rows_of(routes)
    alone = None if fanned or len(parcels) > 1 else single_row(parcels[0], special)
    return Batch(
        sum(published.values()),
        "" if alone is not None else rows_text(parcels, special, fanned),
        alone,
        fanned,
        any(message.due_at is not None for message in messages),
        any(message.key is not None for message in messages),
        published,
    )


def rows_text(parcels: Sequence[Parcel], special: Mapping[int, Queue], fanned: bool) -> str:
    if fanned:
        return as_json(fanned_rows(parcels, special))
    if special:
        return as_json([single_row(parcel, special) for parcel in parcels])
    return as_json([message_row(message, queue) for message, (queue,) in parcels])


def rows_of(routes: Mapping[Numbers, int]) -> dict[int, int]:
    """How many messages each queue gets, when so many take each route."""
    counts: dict[int, int] = {}
    for queues, count in routes.items():
        for queue in queues:
            counts[queue] = counts.get(queue, 0) + count
    return counts


def single_row(parcel: Parcel, special: Mapping[int, Queue]) -> InsertRow:
    message, (queue,) = parcel
    if queue in special:
        message = bounds.limited(message, special[queue])
    return message_row(message, queue)


def fanned_rows(parcels: Sequence[Parcel], special: Mapping[int, Queue]) -> list[list[object]]:
    """A row a message and time of expiry, with the list of its queues, and how many rows there are before it."""
    rows: list[list[object]] = []
    before = 0
    for message, queues in parcels:
        for alike, numbers in by_expiry(message, queues, special):
            identifier, _queue, *rest = message_row(alike, 0)
            rows.append([identifier, numbers, *rest, before])
            before += len(numbers)
    return rows


def by_expiry(message: Message, queues: Numbers, special: Mapping[int, Queue]) -> list[tuple[Message, Sequence[int]]]:
    """Queues of different ttl get the message with different times of expiry."""
    if not special or not any(queue in special for queue in queues):
        return [(message, queues)]
    groups: dict[float | None, tuple[Message, list[int]]] = {}
    for queue in queues:
        one = bounds.limited(message, special.get(queue))
        groups.setdefault(one.expires_at, (one, []))[1].append(queue)
    return list(groups.values())


def insert(session: Session, parcels: Sequence[Parcel]) -> None:
    if parcels:
        insert_batch(session, batch_of(parcels, session.directory.special))


def insert_batch(session: Session, batch: Batch) -> None:
    """Raises NotAsExpected when one of the queues is not there any more."""
    first = take_numbers(session, batch) - batch.count + 1
    if batch.alone is not None:
        session.connection.execute(INSERT_ONE, (*batch.alone, first))
    else:
        session.connection.execute(INSERT_FANNED if batch.fanned else INSERT, (first, batch.rows))
    place(session, batch.delayed, batch.keyed, first)
    session.bells |= WORK
    bounds.drop_oldest(session, batch.published)


def take_numbers(session: Session, batch: Batch) -> int:
    """Count them for their queues, and number them; the last number."""
    if len(batch.published) == 1:
        (queue,) = batch.published
        counted = dict(session.connection.execute(COUNT_ONE, (batch.count, f"published:{queue}")))
        there = len(counted) == 2
    else:
        counts = {"seq": batch.count, **{f"published:{queue}": count for queue, count in batch.published.items()}}
        session.connection.execute(COUNT_EACH, (as_json(counts),))
        there = session.connection.changes() == len(counts)
        counted = {"seq": session.value(SEQ)}
    if not there:
        raise NotAsExpected
    return int(counted["seq"])


def place(session: Session, delayed: bool, keyed: bool, first: int) -> None:
    """The entries that say where the new messages wait."""
    session.connection.execute(READY if delayed or keyed else READY_ALL, (first,))
    if delayed:
        session.connection.execute(DUE, (first,))
    if keyed:
        lanes.enter_since(session, first)


class Prepared(msgspec.Struct, frozen=True, gc=False):
    """A batch made ready beside the writer. ``version``: of the topology it was routed by; None: it needed no routing."""

    batch: Batch
    answers: Sequence[Receipt]
    version: int | None

    def holds(self, session: Session) -> bool:
        """Whether what it was routed by is still so. In the transaction."""
        return self.version is None or session.value(VERSION) == self.version


def prepared(sends: Sequence[Send], known: Directory) -> Prepared | None:
    """None when one of them needs a look at what is there."""
    routes = [plain_numbers(send, known) for send in sends]
    if () in routes:
        return None
    messages = [send.message for send in sends]
    batch = batch_of(list(zip(messages, routes, strict=True)), {})
    if batch.count == len(messages):
        answers = [Receipt(message.id) for message in messages]
    else:
        answers = [Receipt(message.id, None, len(route)) for message, route in zip(messages, routes, strict=True)]
    return Prepared(batch, answers, known.version if any(send.to.exchange for send in sends) else None)

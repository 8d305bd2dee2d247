"""Messages that were sent before: by their own id (inbox) or by a unique key."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from postroad.core.message import Receipt, Refused, Send, Unique
from postroad.drivers.sqlite.session import Session, as_json

INBOX_S = 7 * 86400.0

SEEN = """
SELECT json_group_array(e.key) FROM jsonb_each(?1) e
JOIN inbox i ON i.queue = e.value->>0 AND i.id = e.value->>1 AND i.until > ?2
"""
REMEMBER = "INSERT OR REPLACE INTO inbox SELECT e.value->>0, e.value->>1, ?2 FROM jsonb_each(?1) e"
TAKEN = """
SELECT json_group_array(json_array(e.key, c.id)) FROM json_each(?1) e
JOIN claimed_key c ON c.key = e.value WHERE c.until IS NULL OR c.until > ?2
"""
CLAIM = "INSERT OR REPLACE INTO claimed_key SELECT e.value->>0, e.value->>1, e.value->>2 FROM jsonb_each(?1) e"
FREE = """
DELETE FROM claimed_key WHERE until IS NULL
AND (key, id) IN (SELECT m.head ->> 4, m.id FROM json_each(?1) e JOIN message m ON m.seq = CAST(e.key AS INTEGER))
"""

NUMBERS = msgspec.json.Decoder(list[int])
OWNERS = msgspec.json.Decoder(list[tuple[int, str]])

InboxKey = tuple[int, str]


def first_ones(
    session: Session, sends: Sequence[Send], taken: list[int], answers: list[Receipt | Refused | None]
) -> list[int]:
    """Those of ``taken`` that are no repeats, in order; the repeats are answered with the id of the first."""
    batch = [sends[index] for index in taken]
    seen, owners = seen_before(session, batch), key_owners(session, batch)
    kept: list[int] = []
    for index, send in zip(taken, batch, strict=True):
        first = repeat_of(session, send, seen, owners)
        if first is None:
            kept.append(index)
        else:
            answers[index] = Receipt(send.message.id, duplicate_of=first)
    if len(kept) < len(taken):
        session.bump("duplicates", len(taken) - len(kept))
    remember(session, [sends[index] for index in kept])
    return kept


def repeat_of(session: Session, send: Send, seen: set[InboxKey], owners: dict[str, str]) -> str | None:
    """The id it repeats; None for a first one, which those after it in the batch may repeat."""
    message = send.message
    key = inbox_key(session, send)
    if message.dedupe and key in seen:
        return message.id
    if message.unique is not None and message.unique.key in owners:
        return owners[message.unique.key]
    if message.dedupe:
        seen.add(key)
    if message.unique is not None:
        owners[message.unique.key] = message.id
    return None


def inbox_key(session: Session, send: Send) -> InboxKey:
    return session.numbers[send.to.routing_key], send.message.id


def seen_before(session: Session, batch: Sequence[Send]) -> set[InboxKey]:
    """Of the messages whose sender chose the id, those that came in an earlier batch."""
    keys = [inbox_key(session, send) for send in batch if send.message.dedupe]
    found = NUMBERS.decode(session.value(SEEN, (as_json(keys), session.clock()))) if keys else []
    return {keys[position] for position in found}


def key_owners(session: Session, batch: Sequence[Send]) -> dict[str, str]:
    """Of the unique keys wanted here, those that are taken, with the id that has them."""
    keys = [send.message.unique.key for send in batch if send.message.unique is not None]
    found = OWNERS.decode(session.value(TAKEN, (as_json(keys), session.clock()))) if keys else []
    return {keys[position]: owner for position, owner in found}


def remember(session: Session, sends: Sequence[Send]) -> None:
    now = session.clock()
    ids = [(session.numbers[send.to.routing_key], send.message.id) for send in sends if send.message.dedupe]
    keys = [
        (send.message.unique.key, send.message.id, until(send.message.unique, now))
        for send in sends
        if send.message.unique is not None
    ]
    if ids:
        session.connection.execute(REMEMBER, (as_json(ids), now + INBOX_S))
    if keys:
        session.connection.execute(CLAIM, (as_json(keys),))


def until(unique: Unique, now: float) -> float | None:
    return None if unique.ttl_s is None else now + unique.ttl_s


def free_keys(session: Session, held: str) -> None:
    """Keys taken until done are free again. ``held``: the settled as {seq: token} JSON; their messages still exist."""
    session.connection.execute(FREE, (held,))

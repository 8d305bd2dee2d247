"""Messages that were sent before: by their own id (inbox) or by a unique key."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from postroad.core.message import Message, Unique
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


def seen_before(session: Session, keys: Sequence[InboxKey]) -> set[InboxKey]:
    """Of these messages, whose senders chose the ids, those that came in an earlier batch."""
    found = NUMBERS.decode(session.value(SEEN, (as_json(keys), session.clock()))) if keys else []
    return {keys[position] for position in found}


def key_owners(session: Session, keys: Sequence[str]) -> dict[str, str]:
    """Of these unique keys, those that are taken, with the id that has them."""
    found = OWNERS.decode(session.value(TAKEN, (as_json(keys), session.clock()))) if keys else []
    return {keys[position]: owner for position, owner in found}


def remember(session: Session, ids: Sequence[InboxKey], messages: Sequence[Message]) -> None:
    """The inbox knows these ids from now on, and the unique keys of these messages are taken."""
    now = session.clock()
    if ids:
        session.connection.execute(REMEMBER, (as_json(ids), now + INBOX_S))
    keys = [(one.unique.key, one.id, until(one.unique, now)) for one in messages if one.unique is not None]
    if keys:
        session.connection.execute(CLAIM, (as_json(keys),))


def until(unique: Unique, now: float) -> float | None:
    return None if unique.ttl_s is None else now + unique.ttl_s


def free_keys(session: Session, held: str) -> None:
    """Keys taken until done are free again. ``held``: the settled as {seq: token} JSON; their messages still exist."""
    session.connection.execute(FREE, (held,))

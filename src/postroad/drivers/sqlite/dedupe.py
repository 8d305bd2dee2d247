"""Messages that were sent before: by their own id (inbox) or by a unique key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

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
AND id IN (SELECT m.id FROM json_each(?1) e JOIN message m ON m.seq = CAST(e.key AS INTEGER))
"""

NUMBERS = msgspec.json.Decoder(list[int])
OWNERS = msgspec.json.Decoder(list[tuple[int, str]])


def first_ones(
    session: Session, sends: Sequence[Send], taken: list[int], answers: list[Receipt | Refused | None]
) -> list[int]:
    """Those of ``taken`` that are no repeats; the repeats are answered with the id of the first."""
    repeats = seen_before(session, sends, taken) | key_taken(session, sends, taken)
    for index, owner in repeats.items():
        answers[index] = Receipt(sends[index].message.id, duplicate_of=owner)
    if repeats:
        session.bump("duplicates", len(repeats))
    kept = [index for index in taken if index not in repeats]
    remember(session, [sends[index] for index in kept])
    return kept


def seen_before(session: Session, sends: Sequence[Send], taken: list[int]) -> dict[int, str]:
    flagged = [index for index in taken if sends[index].message.dedupe]
    pairs = [(session.numbers[sends[index].to.routing_key], sends[index].message.id) for index in flagged]
    found = NUMBERS.decode(session.value(SEEN, (as_json(pairs), session.clock()))) if pairs else []
    repeats = {flagged[position]: pairs[position][1] for position in found}
    return repeats | repeated_inside(flagged, pairs)


def repeated_inside(flagged: list[int], pairs: Sequence[tuple[Any, str]]) -> dict[int, str]:
    """Second ones of one and the same batch."""
    first: set[Any] = set()
    repeats: dict[int, str] = {}
    for index, pair in zip(flagged, pairs, strict=True):
        if pair in first:
            repeats[index] = pair[1]
        first.add(pair)
    return repeats


def key_taken(session: Session, sends: Sequence[Send], taken: list[int]) -> dict[int, str]:
    uniques = [(index, unique) for index in taken if (unique := sends[index].message.unique) is not None]
    keys = [unique.key for _index, unique in uniques]
    found = OWNERS.decode(session.value(TAKEN, (as_json(keys), session.clock()))) if keys else []
    owners = {keys[position]: owner for position, owner in found}
    repeats: dict[int, str] = {}
    for index, unique in uniques:
        if unique.key in owners:
            repeats[index] = owners[unique.key]
        owners.setdefault(unique.key, sends[index].message.id)
    return repeats


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

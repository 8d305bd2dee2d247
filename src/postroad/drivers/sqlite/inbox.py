"""Messages that were handled before, by a mark that their handling left: one a queue and mark, kept for a week.

They share a table with the ids of messages; a mark begins with a character that no id can have.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from postroad.drivers.sqlite.dedupe import INBOX_S
from postroad.drivers.sqlite.session import Session, as_json

KNOWN = """
SELECT json_group_array(e.key) FROM jsonb_each(?1) e
JOIN inbox i ON i.queue = e.value->>0 AND i.id = char(31) || (e.value->>1) AND i.until > ?2
"""
REMEMBER = "INSERT OR REPLACE INTO inbox SELECT e.value->>0, char(31) || (e.value->>1), ?2 FROM jsonb_each(?1) e"

Mark = tuple[int, str]
"""A queue's number, and the mark."""

NUMBERS = msgspec.json.Decoder(list[int])


def known(session: Session, marks: Iterable[Mark]) -> set[Mark]:
    """Those of them that the inbox has."""
    wanted = list(marks)
    found = NUMBERS.decode(session.value(KNOWN, (as_json(wanted), session.clock()))) if wanted else []
    return {wanted[position] for position in found}


def remember(session: Session, marks: Sequence[Mark]) -> None:
    if marks:
        session.connection.execute(REMEMBER, (as_json(marks), session.clock() + INBOX_S))

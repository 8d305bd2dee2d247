"""What a check says."""

from __future__ import annotations

import msgspec

OK, NOTE, WRONG = "ok", "note", "wrong"


class Finding(msgspec.Struct, frozen=True):
    """``level``: ``ok``, ``note`` (worth knowing) or ``wrong`` (something to do). ``why`` and ``do`` may be empty."""

    level: str
    subject: str
    what: str
    why: str = ""
    do: str = ""

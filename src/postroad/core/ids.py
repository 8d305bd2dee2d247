"""Message ids: time-ordered UUIDs (version 7, RFC 9562), made from what the caller brings; and derived ids."""

from __future__ import annotations

import uuid

NAMESPACE = uuid.UUID("6f1e4c3a-8d52-5b0a-9a57-3d7c1b0e2f64")


def time_ordered_id(milliseconds: int, counter: int, entropy: int) -> str:
    """A UUIDv7: 48 bits of Unix milliseconds, a 12-bit counter that keeps order within one, 62 random bits."""
    low = 0x8000000000000000 | (entropy & 0x3FFFFFFFFFFFFFFF)
    return f"{id_head(milliseconds)}{counter & 0xFFF:03x}{id_tail(f'{low:016x}')}"


def id_head(milliseconds: int) -> str:
    """What all ids of one millisecond begin with."""
    return f"{milliseconds >> 16 & 0xFFFFFFFF:08x}-{milliseconds & 0xFFFF:04x}-7"


def id_tail(digits: str) -> str:
    """The random end of an id, of 16 hexadecimal digits, the first of them one of 8, 9, a, b."""
    return f"-{digits[:4]}-{digits[4:]}"


def id_tails(digits: str) -> list[str]:
    """Many ends, each of the next 15 digits: 60 random bits."""
    return [f"-8{digits[at : at + 3]}-{digits[at + 3 : at + 15]}" for at in range(0, len(digits) - 14, 15)]


def derived_id(parent: str, ordinal: int) -> str:
    """The same id whenever the same message is sent as the same parent's n-th: a UUIDv5."""
    return str(uuid.uuid5(NAMESPACE, f"{parent}#{ordinal}"))


def id_for_key(scope: str, key: str) -> str:
    """The id that stands for this key in this scope: a UUIDv5."""
    return str(uuid.uuid5(NAMESPACE, f"{scope}\x00{key}"))

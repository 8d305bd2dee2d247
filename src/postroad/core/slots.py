"""Start slots: a small file, owned by the supervisor and mapped by the child, that says which handlers run.

A child writes (token, seq, beat) into a slot just before a handler starts and zeroes it when the handler ends, so
that whoever survives knows what was running when the child died. ``beat`` moves with every start and end: it is
also the child's sign of progress.
"""

from __future__ import annotations

import struct

SLOT = struct.Struct("<QQQ")
SLOT_BYTES = SLOT.size
FREE = SLOT.pack(0, 0, 0)


def file_bytes(slots: int) -> int:
    """Bytes of a file with this many slots."""
    return slots * SLOT_BYTES


def running(image: bytes) -> list[tuple[int, int]]:
    """The (token, seq) of every handler that was running when this image of the file was taken."""
    return [(token, seq) for token, seq, _beat in SLOT.iter_unpack(whole_slots(image)) if seq]


def beats(image: bytes) -> int:
    """A number that changes whenever a handler starts or ends."""
    return sum(beat for _token, _seq, beat in SLOT.iter_unpack(whole_slots(image)))


def whole_slots(image: bytes) -> bytes:
    return image[: len(image) // SLOT_BYTES * SLOT_BYTES]

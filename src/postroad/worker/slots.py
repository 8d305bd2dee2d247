"""Start slots, mapped: the child writes what runs; the supervisor reads it, also after the child's death.

The last two slots hold no handler: the user loop beats in one, the engine loop in the other, which also carries the
consumer's progress where a handler's slot has its token. Their seq stays 0, so nothing is ever charged to them.
"""

from __future__ import annotations

import mmap
import os

import msgspec

from postroad.core.slots import FREE, SLOT, SLOT_BYTES, file_bytes, running

LOOP_SLOTS = 2


class NoSlots:
    """For an engine that nobody else can see: a start is noted nowhere."""

    def enter(self, slot: int, receipt: tuple[int, int]) -> None:
        return None

    def leave(self, slot: int) -> None:
        return None

    def beat_user_loop(self) -> None:
        return None

    def beat_engine_loop(self, progress: int) -> None:
        return None


class StartSlots:
    """The writing side. One thread per slot at a time, so a slot needs no lock.

    A write torn by SIGKILL is harmless: the token goes first, and half a (token, seq) names no delivery.
    """

    __slots__ = ("beats", "image", "slots")

    def __init__(self, path: str, slots: int) -> None:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            if os.fstat(fd).st_size < file_bytes(slots):
                os.ftruncate(fd, file_bytes(slots))
            self.image = mmap.mmap(fd, file_bytes(slots))
        finally:
            os.close(fd)
        self.slots = slots
        self.beats = [0] * slots

    def enter(self, slot: int, receipt: tuple[int, int]) -> None:
        """A handler starts here. Call it before the handler's first instruction."""
        self.beats[slot] = beat = self.beats[slot] + 1
        SLOT.pack_into(self.image, slot * SLOT_BYTES, receipt[0], receipt[1], beat)

    def leave(self, slot: int) -> None:
        """The handler that started here has ended."""
        self.beats[slot] = beat = self.beats[slot] + 1
        SLOT.pack_into(self.image, slot * SLOT_BYTES, 0, 0, beat)

    def beat_user_loop(self) -> None:
        """The loop of the user's coroutines turns."""
        self.leave(self.slots - 2)

    def beat_engine_loop(self, progress: int) -> None:
        """The engine's loop turns; ``progress`` is its consumer's."""
        self.enter(self.slots - 1, (progress, 0))

    def close(self) -> None:
        self.image.close()


class Reading(msgspec.Struct, frozen=True):
    """One look at a child's slots. ``handler_beats``: per slot; ``busy``: the slots in which a handler runs."""

    busy: tuple[int, ...]
    handler_beats: tuple[int, ...]
    user_beat: int
    engine_beat: int
    progress: int


def read_slots(path: str) -> Reading:
    """A look from outside. Raises FileNotFoundError when the seat is gone."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return reading(os.read(fd, os.fstat(fd).st_size))
    finally:
        os.close(fd)


def reading(image: bytes) -> Reading:
    """What an image of the file says."""
    slots = list(SLOT.iter_unpack(image))
    handlers, (_, _, user_beat), (progress, _, engine_beat) = slots[:-LOOP_SLOTS], slots[-2], slots[-1]
    busy = tuple(index for index, (_token, seq, _beat) in enumerate(handlers) if seq)
    return Reading(busy, tuple(beat for _, _, beat in handlers), user_beat, engine_beat, progress)


def acquit(path: str) -> int:
    """Clear every start, once the child is dead: it was ended by us, and no message is to blame. Answers how many ran."""
    fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        size = os.fstat(fd).st_size
        convicted = len(running(os.read(fd, size)))
        os.pwrite(fd, FREE * (size // SLOT_BYTES), 0)
    finally:
        os.close(fd)
    return convicted

"""Start slots, mapped: the child writes what runs; the supervisor reads it, also after the child's death.

Behind the handlers' slots come two that hold no handler: the user loop beats in one, the engine loop in the other, which
also carries the consumer's progress where a handler's slot has its token. Their seq stays 0, so nothing is ever charged
to them. Behind these come spare slots, for the deliveries of a batch after its first.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Sequence

import msgspec

from postroad.core.slots import FREE, SLOT, SLOT_BYTES, file_bytes, running

LOOP_SLOTS = 2


class NoSlots:
    """For an engine that nobody else can see: a start is noted nowhere."""

    def enter(self, slot: int, receipt: tuple[int, int]) -> None:
        return None

    def leave(self, slot: int) -> None:
        return None

    def enter_many(self, slot: int, receipts: Sequence[tuple[int, int]]) -> None:
        return None

    def leave_many(self, slot: int) -> None:
        return None

    def beat_user_loop(self) -> None:
        return None

    def beat_engine_loop(self, progress: int) -> None:
        return None


class StartSlots:
    """The writing side. One thread per slot at a time, so a slot needs no lock.

    A write torn by SIGKILL is harmless: the token goes first, and half a (token, seq) names no delivery.
    """

    __slots__ = ("base", "batches", "beats", "image", "slots", "spare")

    def __init__(self, path: str, slots: int, base: int | None = None) -> None:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            if os.fstat(fd).st_size < file_bytes(slots):
                os.ftruncate(fd, file_bytes(slots))
            self.image = mmap.mmap(fd, file_bytes(slots))
        finally:
            os.close(fd)
        self.slots = slots
        self.base = slots if base is None else base
        self.spare = list(range(self.base, slots))
        self.batches: dict[int, list[int]] = {}
        self.beats = [0] * slots

    def enter(self, slot: int, receipt: tuple[int, int]) -> None:
        """A handler starts here. Call it before the handler's first instruction."""
        self.beats[slot] = beat = self.beats[slot] + 1
        SLOT.pack_into(self.image, slot * SLOT_BYTES, receipt[0], receipt[1], beat)

    def leave(self, slot: int) -> None:
        """The handler that started here has ended."""
        self.beats[slot] = beat = self.beats[slot] + 1
        SLOT.pack_into(self.image, slot * SLOT_BYTES, 0, 0, beat)

    def enter_many(self, slot: int, receipts: Sequence[tuple[int, int]]) -> None:
        """A batch starts here: its first delivery in the slot itself, the others in spare ones, as long as there are any."""
        taken = self.batches[slot] = []
        for receipt in receipts[1:]:
            try:
                taken.append(self.spare.pop())
            except IndexError:
                break
            self.enter(taken[-1], receipt)
        self.enter(slot, receipts[0])

    def leave_many(self, slot: int) -> None:
        """The batch that started here has ended."""
        self.leave(slot)
        taken = self.batches.pop(slot, [])
        for spare in taken:
            self.leave(spare)
        self.spare += taken

    def beat_user_loop(self) -> None:
        """The loop of the user's coroutines turns."""
        self.leave(self.base - 2)

    def beat_engine_loop(self, progress: int) -> None:
        """The engine's loop turns; ``progress`` is its consumer's."""
        self.enter(self.base - 1, (progress, 0))

    def close(self) -> None:
        self.image.close()


class Reading(msgspec.Struct, frozen=True):
    """One look at a child's slots. ``handler_beats``: per slot; ``busy``: the slots in which a handler runs."""

    busy: tuple[int, ...]
    handler_beats: tuple[int, ...]
    user_beat: int
    engine_beat: int
    progress: int


def read_slots(path: str, base: int | None = None) -> Reading:
    """A look from outside at the first ``base`` slots (None: all). Raises FileNotFoundError when the seat is gone."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return reading(os.read(fd, os.fstat(fd).st_size if base is None else file_bytes(base)))
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

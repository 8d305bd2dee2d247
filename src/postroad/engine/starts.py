"""The writing side of a seat's start slots, for messages that are taken by hand."""

from __future__ import annotations

import os

from postroad.core.slots import SLOT, SLOT_BYTES
from postroad.ports.driver import Seat


class Starts:
    """The writing side of a seat's start slots: which messages are in users' hands."""

    def __init__(self, seat: Seat | None, slots: int) -> None:
        self.free = list(range(slots))[::-1]
        self.taken: dict[tuple[int, int], int] = {}
        self.beat = 0
        path = seat.slots_path if seat is not None else ""
        self.fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW) if path else -1

    def enter(self, receipt: tuple[int, int]) -> None:
        """Whoever dies from now on held this one."""
        self.taken[receipt] = slot = self.free.pop()
        self.write(slot, receipt)

    def leave(self, receipt: tuple[int, int]) -> None:
        """It is settled."""
        slot = self.taken.pop(receipt, None)
        if slot is not None:
            self.write(slot, (0, 0))
            self.free.append(slot)

    def write(self, slot: int, receipt: tuple[int, int]) -> None:
        self.beat += 1
        if self.fd >= 0:
            os.pwrite(self.fd, SLOT.pack(*receipt, self.beat), slot * SLOT_BYTES)

    def close(self) -> None:
        """Nobody is to blame for what is given back."""
        for receipt in list(self.taken):
            self.leave(receipt)
        self.abandon()

    def abandon(self) -> None:
        """In a forked child, which holds nothing: the slots are its parent's."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

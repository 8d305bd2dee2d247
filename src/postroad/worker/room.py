"""How many handlers of each kind may run at once in a child, and which start slots they have."""

from __future__ import annotations

import msgspec

from postroad.worker.options import WorkerOptions
from postroad.worker.slots import LOOP_SLOTS


class Room(msgspec.Struct, frozen=True):
    """The slots are in this order, then those of the two loops."""

    threads: int
    coroutines: int
    solos: int

    @property
    def slots(self) -> int:
        return self.threads + self.coroutines + self.solos + LOOP_SLOTS

    @property
    def coroutine_slots(self) -> range:
        return range(self.threads, self.threads + self.coroutines)


def room_of(options: WorkerOptions) -> Room:
    return Room(options.threads, options.concurrency, options.solos_per_child)

"""How many handlers of each kind may run at once in a child, and which start slots they have."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from postroad.engine.quotas import BATCHES_AHEAD
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


def batched(batches: Mapping[str, int]) -> int:
    """Spare slots for batches: as many deliveries as all queues with batches together may have held."""
    return sum(batches.values()) * BATCHES_AHEAD


def room_of(options: WorkerOptions) -> Room:
    return Room(options.threads, options.concurrency, options.solos_per_child)

"""How many deliveries of one queue may be held, where that is not as many as of any other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from postroad.core.delivery import Delivery

BATCHES_AHEAD = 2


class Quotas:
    """``prefetches``: most held, by queue. ``batches``: the largest batch of a queue whose handler takes lists.

    A queue with batches may be held as many as two of them, whatever the credit; the others share the credit.
    """

    def __init__(self, queues: Iterable[str], prefetches: Mapping[str, int], batches: Mapping[str, int]) -> None:
        self.queues = tuple(queues)
        self.most = {name: size * BATCHES_AHEAD for name, size in batches.items()} | dict(prefetches)
        self.beyond_credit = frozenset(batches) - frozenset(prefetches)
        self.held: Counter[str] = Counter()

    def __bool__(self) -> bool:
        return bool(self.most)

    def took(self, deliveries: Iterable[Delivery]) -> None:
        self.held.update(delivery.source for delivery in deliveries)

    def gave(self, source: str) -> None:
        self.held[source] -= 1

    @property
    def held_beyond(self) -> int:
        """Deliveries held that the credit does not count."""
        return sum(self.held[name] for name in self.beyond_credit)

    def limits(self, room: int) -> dict[str, int]:
        """For every queue that may not simply have the ``room`` of the credit: how many more of it may be taken now."""
        return {name: self.room_of(name, room) for name in self.queues if name in self.most or self.beyond_credit}

    def room_of(self, name: str, room: int) -> int:
        most = self.most.get(name)
        if most is None:
            return room
        left = max(most - self.held[name], 0)
        return left if name in self.beyond_credit else min(left, room)

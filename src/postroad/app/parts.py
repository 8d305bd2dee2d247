"""What an app is made of beside its tasks: declarations, and sources that handlers take messages from.

Queues, exchanges, subscriptions and dead-letter handlers are all parts. `App` and `Router` keep them in `Parts`; a
router's are taken over by the app that includes it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol, TypeVar, runtime_checkable

from postroad.core.delivery import Delivery
from postroad.core.topology import Topology, merged
from postroad.engine.handler import Handler
from postroad.engine.route import Owner
from postroad.errors import ConfigurationError


@runtime_checkable
class Part(Protocol):
    """Something declared. ``name`` with ``kind`` is taken once in an app."""

    @property
    def kind(self) -> str:
        """``queue``, ``exchange``, ``event``, ``consumer``, ``subscription``, ``dead-letter handler``."""

    @property
    def name(self) -> str: ...
    def adopt(self, owner: Owner) -> None:
        """An app took it in: what it sends goes through this app. The last one counts."""

    def topology(self) -> Topology:
        """What must be there for it."""


@runtime_checkable
class Source(Part, Protocol):
    """A part whose handlers take from one queue."""

    @property
    def queue(self) -> str:
        """The queue's name."""

    @property
    def temporary(self) -> bool:
        """Whether the queue is this process's own, so that only a worker declares it."""

    @property
    def prefetch(self) -> int | None:
        """Most deliveries of this queue a process holds; None for no limit of its own."""

    @property
    def handlers(self) -> Sequence[Handler]:
        """All its handlers, each with the executor it needs."""

    def resolve(self, delivery: Delivery) -> Handler | None:
        """Which of them takes this delivery; asked for every message."""


@runtime_checkable
class Repeatable(Protocol):
    """A part that may be declared again, alike: a router and its app may both name a queue."""

    def check_alike(self, present: object) -> None:
        """Raises TopologyConflict when the other one says something else."""


def declared_alike(part: object, present: Part) -> bool:
    """Whether the second declaration repeats the first. Raises TopologyConflict when it should, and does not."""
    if not isinstance(part, Repeatable):
        return False
    part.check_alike(present)
    return True


P = TypeVar("P", bound=Part)


class Parts:
    """In the order of their declaration."""

    def __init__(self) -> None:
        self.all: dict[tuple[str, str], Part] = {}

    def add(self, part: P) -> P:
        """Take it in. Raises ConfigurationError when the name is taken by another one."""
        key = (part.kind, part.name)
        present = self.all.get(key)
        if present is not None and present is not part and not declared_alike(part, present):
            raise ConfigurationError(f"Two declarations of {part.kind} {part.name!r}: give one of them another name.")
        self.all[key] = part
        return part

    def find(self, kind: str, name: str) -> Part | None:
        """The part so named."""
        return self.all.get((kind, name))

    def __iter__(self) -> Iterator[Part]:
        return iter(list(self.all.values()))

    @property
    def sources(self) -> dict[str, Source]:
        """Those that take messages, by their queue."""
        return {part.queue: part for part in self if isinstance(part, Source)}

    def topology(self, *, worker: bool) -> Topology:
        """What all of them declare; without ``worker``, not what belongs to a worker's process."""
        return merged(part.topology() for part in self if worker or not (isinstance(part, Source) and part.temporary))

"""The driver port: moves messages for one broker technology.

All coroutines run on one event loop. Errors are Postroad's own: a driver translates its library's at its edge.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from types import TracebackType
from typing import Protocol, Self, runtime_checkable

import msgspec

from postroad.core.capabilities import Capabilities
from postroad.core.delivery import Attempt, Begun, Delivery
from postroad.core.message import Message, Receipt, Refused, Send
from postroad.core.outcome import Settlement, SettlementFailure
from postroad.core.topology import Binding, Change, Topology
from postroad.core.writes import Write


class Subscription(msgspec.Struct, frozen=True):
    """What a consumer takes from, in turn, and who it says it is. ``seat``: reserved by this very process, if it was.

    Temporary queues among them belong to this consumer's process from now on, exclusive ones while it takes part.
    """

    queues: tuple[str, ...]
    worker: str = ""
    seat: Seat | None = None


class Seat(msgspec.Struct, frozen=True):
    """A child's place, made by its supervisor: a lock both hold while they live, and the file of start slots.

    ``fd``: the open, locked file, inherited by the child. ``slots``: how many handlers may run at once.
    """

    name: str
    fd: int
    slots_path: str
    slots: int


class Turn(msgspec.Struct, frozen=True):
    """What one round trip brought. ``failures``: settlements that were refused; all others are done.

    ``suspects_waiting``: messages that must run alone are waiting: settle what runs, then turn with ``alone``.
    ``cancelled``: ids whose handlers must not start, whoever holds them.
    """

    deliveries: tuple[Delivery, ...] = ()
    failures: tuple[SettlementFailure, ...] = ()
    suspects_waiting: bool = False
    cancelled: frozenset[str] = frozenset()


class Listener(Protocol):
    """Told by the driver, on its loop, about what it did not ask for."""

    def lost(self, held: Sequence[Delivery], why: str) -> None:
        """These are held no longer; their settlements will be refused."""

    def state(self, state: str) -> None:
        """``connected``, ``reconnecting``, ``blocked`` or ``cancelled``."""


class Consumer(Protocol):
    """One subscription's hold on the engine. Never two turns at once."""

    async def turn(
        self,
        settled: Sequence[Settlement],
        limit: int,
        timeout_s: float,
        *,
        alone: bool = False,
        limits: Mapping[str, int] | None = None,
    ) -> Turn:
        """Settle and receive in one round trip or transaction.

        Settles first, each item by itself: a refused one does not hold up the rest. Then takes up to ``limit``
        messages; when none is there (and nothing was settled), waits up to ``timeout_s``, or until `interrupt`.
        ``alone``: takes only suspects. ``limits``: for queues of which fewer may be taken now, how many (0: none).
        """

    def interrupt(self) -> None:
        """Let a waiting turn return now. From any thread."""

    async def begin(self, held: Sequence[Delivery], marks: Sequence[str | None] = ()) -> Sequence[Begun]:
        """Fence, count and judge deliveries that ask for it (``needs_begin``), durably, before their handlers run.

        Asking twice about one delivery counts once. ``marks``: one a delivery, or none at all; a delivery whose mark the
        inbox of its queue has is a ``duplicate``.
        """

    async def extend(self, held: Sequence[Delivery]) -> Sequence[Delivery]:
        """Renew the leases; answers those that are lost."""

    async def close(self) -> None:
        """Give back what is still held, uncounted. The consumer takes nothing afterwards."""


class Driver(Protocol):
    """Opened by ``async with``; after that its promises hold until it is closed."""

    async def __aenter__(self) -> Self: ...
    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def offers(self, queue: str) -> Capabilities:
        """What this queue can do; after open, for it may depend on the server."""

    async def plan(self, topology: Topology) -> Sequence[Change]:
        """What `apply` would do, in words. Changes nothing."""

    async def apply(self, changes: Sequence[Change]) -> None:
        """Do it. Raises TopologyConflict rather than alter what is there."""

    async def publish(
        self, batch: Sequence[Send], *, durability: str = "full", writes: Sequence[Write] = ()
    ) -> Sequence[Receipt | Refused]:
        """Durable when it returns (``durability="full"``), one answer a message, in order.

        ``writes`` are committed in the same transaction where the engine is the store too.
        """

    async def consume(self, subscription: Subscription, listener: Listener) -> Consumer:
        """Start taking part. Queues that are not declared raise NotFound; an exclusive one that another process has,
        QueueExclusive."""

    async def topology(self) -> Topology:
        """All that is there."""


@runtime_checkable
class PublishesFromThreads(Protocol):
    """The engine takes a batch from any thread: no event loop is crossed."""

    def publish_wait(
        self, batch: Sequence[Send], *, durability: str = "full", writes: Sequence[Write] = ()
    ) -> Sequence[Receipt | Refused]:
        """Blocking, as `publish`."""

    def publish_future(
        self, batch: Sequence[Send], *, durability: str = "full", writes: Sequence[Write] = ()
    ) -> Future[Sequence[Receipt | Refused]]: ...


@runtime_checkable
class Supervisable(Protocol):
    """The engine is told by the operating system which local processes live."""

    def reserve(self, slots: int) -> Seat:
        """A new seat, locked by this process. From any thread."""

    async def vacate(self, seat: Seat) -> int:
        """The child of this seat is dead: charge what was running, give back the rest uncounted. Answers how many."""

    async def sweep(self) -> int:
        """The same for every seat whose processes are all dead."""


class QueueDepth(msgspec.Struct, frozen=True):
    """Counts of messages now, and the age of the oldest ready one in seconds (None when none is ready).

    ``consumers``: living processes that take from it. ``published``: since it was made.
    """

    queue: str
    ready: int
    delayed: int
    in_flight: int
    dead: int
    oldest_age_s: float | None
    carries: str = ""
    max_length: int | None = None
    consumers: int = 0
    published: int = 0


class Located(msgspec.Struct, frozen=True):
    """Where a message is. ``place``: ``ready``, ``delayed``, ``held`` (claimed), ``running`` (its handler began)."""

    id: str
    queue: str
    place: str
    message: Message
    attempt: int
    crashes: int
    due_at: float | None
    worker: str | None
    started_at: float | None = None
    history: tuple[Attempt, ...] = ()


class DeadLetterRecord(msgspec.Struct, frozen=True):
    """A dead letter, whole: the message as it was, and why it died. ``number`` addresses it; times are wall seconds.

    ``deaths``: 2 and more when it was redriven and died again. ``edited``: its body or headers are no longer as sent.
    """

    number: int
    source: str
    message: Message
    reason: str
    error_type: str
    fingerprint: str
    died_at: float
    attempt: int
    crashes: int
    worker: str
    history: tuple[Attempt, ...] = ()
    deaths: int = 1
    edited: bool = False


class Redriven(msgspec.Struct, frozen=True):
    """What became of a redrive: how many went back, and why the next one could not (its queue is full, or gone)."""

    count: int
    refused: str = ""


class DeadLetterFilter(msgspec.Struct, frozen=True):
    """Which dead letters: all that match every given field. ``fingerprint`` may be a prefix, ``reason`` a part of it;
    they died ``since`` then and before ``until`` (wall seconds)."""

    source: str | None = None
    fingerprint: str | None = None
    error_type: str | None = None
    number: int | None = None
    id: str | None = None
    task: str | None = None
    reason: str | None = None
    since: float | None = None
    until: float | None = None


class HolderInfo(msgspec.Struct, frozen=True):
    """A process that may hold messages. ``state``: ``alive`` or ``dead`` (its file lock is free)."""

    name: str
    pid: int
    supervisor_pid: int
    host: str
    started_at: float
    state: str
    in_flight: int
    running: tuple[str, ...] = ()
    queues: tuple[str, ...] = ()


@runtime_checkable
class Inspectable(Protocol):
    """Looking, which changes nothing."""

    async def queues(self) -> Sequence[QueueDepth]: ...
    async def locate(self, ids: Sequence[str]) -> Sequence[Located]: ...
    async def find(self, ids: Sequence[str]) -> Sequence[Located]:
        """As `locate`, also for messages that are not tracked: looks through everything."""

    async def peek(self, queue: str, limit: int) -> Sequence[Located]:
        """What waits in the queue, in the order in which it would be delivered; delayed ones last. Raises NotFound."""

    async def counters(self) -> dict[str, int]:
        """Since the engine was made: published, unrouted, duplicates, accepted, released, rejected, recovered."""

    async def list_messages(self, queue: str | None, limit: int) -> Sequence[Located]: ...
    async def dead_letters(
        self, which: DeadLetterFilter, limit: int, before: int | None = None
    ) -> Sequence[DeadLetterRecord]: ...
    async def count_dead(self, which: DeadLetterFilter) -> int: ...
    async def holders(self) -> Sequence[HolderInfo]: ...


@runtime_checkable
class Operable(Protocol):
    """Acts of an operator. Each is one durable transaction a call, answers counts."""

    async def purge(self, queue: str, limit: int | None = None) -> int:
        """Delete what waits, oldest first, up to ``limit``; what is held stays. Answers how many."""

    async def cancel(self, ids: Sequence[str], reason: str, writes: Sequence[Write] = ()) -> Sequence[str]:
        """Take waiting messages out, committing the writes whose key is their id; those being held are marked, so that
        they do not start (``Turn.cancelled``). Answers the ids that were found."""

    async def redrive(
        self, which: DeadLetterFilter, limit: int, forget: Sequence[str] = ("task",), rate_per_s: float | None = None
    ) -> Redriven:
        """Back to their queues, oldest first, attempts and crashes at zero, bytes unchanged; documents of these kinds about
        them go. ``rate_per_s``: they become ready that fast. What its queue does not take stays a dead letter."""

    async def delete_dead(self, which: DeadLetterFilter, limit: int) -> int: ...
    async def edit_dead(self, number: int, body: bytes | None, headers: Mapping[str, str] | None) -> DeadLetterRecord:
        """Change a dead letter before it is redriven; what it was is kept in its history. Raises NotFound."""

    async def import_dead(self, records: Sequence[DeadLetterRecord]) -> int:
        """Take in dead letters exported elsewhere, under new numbers. One that is there already (same id, source and time of
        death) is not taken again. Raises NotFound for a source that is not declared; then none is taken."""

    async def delete_queue(self, name: str) -> int:
        """Remove a queue with its messages, dead letters and bindings. Answers how many messages went. Raises NotFound, and
        UsageError while somebody takes from it."""

    async def delete_exchange(self, name: str) -> None:
        """Remove an exchange with its bindings. Raises NotFound."""

    async def unbind(self, binding: Binding) -> bool:
        """Remove one binding; False when it was not there."""

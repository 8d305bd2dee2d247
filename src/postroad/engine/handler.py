"""What tasks, events and queues give the engine to run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import msgspec

from postroad.core.delivery import Attempt, Delivery
from postroad.core.message import Message, Send
from postroad.core.outcome import ACCEPT, Settlement
from postroad.core.retry import ErrorRoutes, Failure, Retry
from postroad.core.writes import Write
from postroad.ports.store import Store


class Ending(msgspec.Struct, frozen=True):
    """How a run ended. ``state``: a task state (core.lifecycle). ``value``: what the handler returned.

    ``error``: what it raised; ``attempt``: the same as a record; ``reason``: in words, for drops and dead letters.
    Times are wall-clock seconds.
    """

    state: str
    started_at: float
    ended_at: float
    value: Any = None
    error: BaseException | None = None
    attempt: Attempt | None = None
    reason: str = ""
    worker: str = ""


class Batch(msgspec.Struct, frozen=True):
    """A handler that takes lists: up to ``size`` deliveries, waiting up to ``wait_s`` for them to gather."""

    size: int
    wait_s: float = 0.0


class Along(msgspec.Struct, frozen=True, gc=False):
    """What leaves with the outcome that ends a delivery (not with a retry), beside what its handler sends and writes."""

    sends: tuple[Send, ...] = ()
    writes: tuple[Write, ...] = ()


NOTHING_ALONG = Along()


class Gate(Protocol):
    """Looks into the store before handlers start: may this delivery run now?"""

    async def admit(self, store: Store, deliveries: Sequence[Delivery]) -> Sequence[Settlement | Along]:
        """One answer a delivery: how it ends without running, or what leaves with its end. On the engine's loop."""


class Handler(Protocol):
    """A function with what the engine must know about it."""

    @property
    def special(self) -> bool:
        """Whether any of batch, ack_early, order_skip, mark and gate is used. Most handlers are plain, and pay nothing for it."""

    @property
    def batch(self) -> Batch | None: ...
    @property
    def ack_early(self) -> bool:
        """The message leaves before its handler starts: at most once."""

    @property
    def order_skip(self) -> bool:
        """A delivery that is retried lets the next of its key pass, whatever its message says."""

    @property
    def gate(self) -> Gate | None: ...
    def mark(self, delivery: Delivery) -> str | None:
        """What the inbox remembers this delivery by, so that another with the same mark is not handled; None: nothing.

        May raise Undecodable: the delivery is then a dead letter."""

    def expired(self, reason: str) -> Failure:
        """What becomes of a delivery whose time is over before its handler could start."""

    @property
    def name(self) -> str: ...
    @property
    def function(self) -> Callable[..., Any]: ...
    @property
    def executor(self) -> str:
        """``thread``, ``coroutine`` or ``process``."""

    @property
    def retry(self) -> Retry | None: ...
    @property
    def routes(self) -> ErrorRoutes: ...
    @property
    def max_deliveries(self) -> int: ...
    def decode(self, message: Message) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Arguments for ``function``. Raises Undecodable."""

    def writes(self, delivery: Delivery, ending: Ending) -> tuple[Write, ...]:
        """What the store remembers of this ending; called for every ending, retries included.

        Raises Unserialisable or TooLarge when the value cannot be kept: the run then counts as failed with that error.
        """


class HandlerBase:
    """What a plain handler answers."""

    __slots__ = ()

    special = False
    batch: Batch | None = None
    ack_early = False
    order_skip = False
    gate: Gate | None = None

    def mark(self, delivery: Delivery) -> str | None:
        return None

    def expired(self, reason: str) -> Failure:
        """It ends, as EXPIRED: a task's document says so."""
        return Failure(ACCEPT, "EXPIRED", reason)


Resolve = Callable[[Delivery], "Handler | None"]
"""Which handler takes this delivery; None when nobody here knows its name."""


class Job:
    """One delivery with its handler, on its way through an executor. Times are wall-clock seconds.

    ``along`` and ``mark`` go with its outcome. ``early``: it was accepted before it runs. ``many``: it is a BatchJob.
    """

    __slots__ = ("along", "delivery", "early", "ended_at", "handler", "mark", "started_at")

    many = False

    def __init__(self, delivery: Delivery, handler: Handler) -> None:
        self.delivery = delivery
        self.handler = handler
        self.started_at = 0.0
        self.ended_at = 0.0
        self.along = NOTHING_ALONG
        self.mark: str | None = None
        self.early = False

"""What tasks, events and queues give the engine to run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from postroad.core.delivery import Attempt, Delivery
from postroad.core.message import Message
from postroad.core.retry import ErrorRoutes, Retry
from postroad.core.writes import Write


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


class Handler(Protocol):
    """A function with what the engine must know about it."""

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


Resolve = Callable[[Delivery], "Handler | None"]
"""Which handler takes this delivery; None when nobody here knows its name."""


class Job:
    """One delivery with its handler, on its way through an executor."""

    __slots__ = ("delivery", "handler", "started_at")

    def __init__(self, delivery: Delivery, handler: Handler) -> None:
        self.delivery = delivery
        self.handler = handler
        self.started_at = 0.0

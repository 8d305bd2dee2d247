"""What a task needs of the app that owns it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future
from datetime import tzinfo
from typing import Protocol

from postroad.core.message import Receipt, Refused, Send
from postroad.tasks.memory import Memory
from postroad.tasks.options import TaskOptions
from postroad.tasks.watch import Watch


class Outbound(Protocol):
    """Where sends go (engine.publisher.Publisher, or what stands in for it)."""

    def send(self, sends: list[Send], verb: str, line: str, now: bool = False) -> Sequence[Receipt]: ...
    async def asend(self, sends: list[Send], now: bool = False) -> Sequence[Receipt]: ...
    def submit(self, sends: list[Send]) -> Future[Sequence[Receipt | Refused]]: ...


class Route:
    """Where an app's tasks go now: to its engine or, in tests, to one in this process. A Result keeps its own.

    ``memory`` answers the open engine; it is called on the portal's loop.
    """

    __slots__ = ("memory", "outbound", "watch")

    def __init__(self, outbound: Outbound, memory: Callable[[], Awaitable[Memory]]) -> None:
        self.outbound = outbound
        self.memory = memory
        self.watch = Watch(memory)


class Owner(Protocol):
    """An app, as its tasks see it. ``body_bytes_max`` limits calls and results."""

    @property
    def name(self) -> str: ...
    @property
    def route(self) -> Route: ...
    @property
    def task_defaults(self) -> TaskOptions: ...
    @property
    def body_bytes_max(self) -> int: ...
    @property
    def tzinfo(self) -> tzinfo: ...

"""What a task needs of the app that owns it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from postroad.engine import route
from postroad.engine.route import Outbound
from postroad.tasks.memory import Memory
from postroad.tasks.options import TaskOptions
from postroad.tasks.watch import Watch


class Route:
    """Where an app's tasks go now: to its engine or, in tests, to one in this process. A Result keeps its own.

    ``memory`` answers the open engine; it is called on the portal's loop.
    """

    __slots__ = ("memory", "outbound", "watch")

    def __init__(self, outbound: Outbound, memory: Callable[[], Awaitable[Memory]]) -> None:
        self.outbound = outbound
        self.memory = memory
        self.watch = Watch(memory)


class Owner(route.Owner, Protocol):
    """An app, as its tasks see it. ``body_bytes_max`` limits calls and results."""

    @property
    def route(self) -> Route: ...
    @property
    def task_defaults(self) -> TaskOptions: ...

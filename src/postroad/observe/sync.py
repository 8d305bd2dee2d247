"""`app.inspect`: the same looks, blocking."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from postroad.observe.inspect import Inspection
from postroad.observe.views import Stats, TaskView, WorkerView
from postroad.ports.driver import Driver, QueueDepth

T = TypeVar("T")


class Asked(Protocol):
    """An app, as far as its engine can be asked; on an event loop's thread it raises BlockingCallOnLoop."""

    def ask(self, question: Callable[[Driver], Awaitable[T]], /) -> T: ...


class SyncInspection:
    """Blocking looks into an app's engine; nothing here runs a task."""

    def __init__(self, app: Asked) -> None:
        self._app = app

    def active(self) -> list[TaskView]:
        """Tasks whose handlers run now."""
        return self._app.ask(lambda driver: Inspection(driver).active())

    def queues(self) -> list[QueueDepth]:
        """Every queue with its depth, by name."""
        return self._app.ask(lambda driver: Inspection(driver).queues())

    def workers(self) -> list[WorkerView]:
        """Processes that may hold messages, oldest first."""
        return self._app.ask(lambda driver: Inspection(driver).workers())

    def stats(self) -> Stats:
        """The engine in numbers."""
        return self._app.ask(lambda driver: Inspection(driver).stats())

    def scheduled(self, limit: int = 100) -> list[TaskView]:
        """Tasks that wait for their time, the soonest first."""
        return self._app.ask(lambda driver: Inspection(driver).scheduled(limit))

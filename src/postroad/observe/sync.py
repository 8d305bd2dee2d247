"""`app.inspect`: the same looks, blocking."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from postroad.observe.inspect import Inspection
from postroad.observe.views import Stats, TaskView, WorkerView
from postroad.ports.driver import QueueDepth

T = TypeVar("T")


class Runner(Protocol):
    """Runs a look on the app's open driver, blocking; raises BlockingCallOnLoop on an event loop's thread."""

    def __call__(self, look: Callable[[Inspection], Awaitable[T]], /) -> T: ...


class SyncInspection:
    """Blocking looks into an app's engine; nothing here imports or runs a task."""

    def __init__(self, run: Runner) -> None:
        self._run = run

    def active(self) -> list[TaskView]:
        """Tasks whose handlers run now."""
        return self._run(lambda inspection: inspection.active())

    def queues(self) -> list[QueueDepth]:
        """Every queue with its depth, by name."""
        return self._run(lambda inspection: inspection.queues())

    def workers(self) -> list[WorkerView]:
        """Processes that may hold messages, oldest first."""
        return self._run(lambda inspection: inspection.workers())

    def stats(self) -> Stats:
        """The engine in numbers."""
        return self._run(lambda inspection: inspection.stats())

    def scheduled(self, limit: int = 100) -> list[TaskView]:
        """Tasks that wait for their time, the soonest first."""
        return self._run(lambda inspection: inspection.scheduled(limit))

"""`app.inspect`: the same looks, blocking."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from postroad.core.durations import Duration
from postroad.core.topology import Topology
from postroad.observe.inspect import Inspection
from postroad.observe.statistics import StatisticsView
from postroad.observe.traffic import EventTypeView, GroupView, RecordView, UnroutedView
from postroad.observe.views import MessageView, Stats, TaskView, WorkerView
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

    def statistics(self, window: Duration = "5m") -> StatisticsView:
        """What went through the queues in the last ``window`` (at most a day): counts, rates, errors, waits and runs."""
        return self._app.ask(lambda driver: Inspection(driver).statistics(window))

    def topology(self) -> Topology:
        """Every queue, exchange and binding that is there."""
        return self._app.ask(lambda driver: Inspection(driver).topology())

    def peek(self, queue: str, limit: int = 10) -> list[MessageView]:
        """What waits in a queue, in the order in which it would be delivered. Raises NotFound."""
        return self._app.ask(lambda driver: Inspection(driver).peek(queue, limit))

    def groups(self) -> list[GroupView]:
        """The groups of subscribers, whether anybody consumes them or not."""
        return self._app.ask(lambda driver: Inspection(driver).groups())

    def event_types(self) -> list[EventTypeView]:
        """Types of events that were published, or that a group waits for."""
        return self._app.ask(lambda driver: Inspection(driver).event_types())

    def records(self, state: str | None = None, limit: int = 100) -> list[RecordView]:
        """What left without a dead letter in the last day: dropped, a repeat, or failed after an early acknowledgement."""
        return self._app.ask(lambda driver: Inspection(driver).records(state, limit))

    def unrouted(self, limit: int = 100) -> list[UnroutedView]:
        """What exchanges could give to nobody in the last day, the newest first."""
        return self._app.ask(lambda driver: Inspection(driver).unrouted(limit))

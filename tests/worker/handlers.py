"""Deliveries and handlers for tests of the worker's parts: the real pipeline runs them."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from typing import Any, ClassVar

from postroad.core.delivery import Delivery
from postroad.core.message import Message
from postroad.core.outcome import Settlement
from postroad.core.retry import ErrorRoutes
from postroad.core.writes import Write
from postroad.engine.handler import Ending, HandlerBase, Job
from postroad.ports.driver import Seat

COUNTER = itertools.count(1)


class PlainHandler(HandlerBase):
    """A function without arguments, no retry, nothing kept."""

    executor = "thread"
    retry = None
    routes: ClassVar[ErrorRoutes] = {}
    max_deliveries = 5

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.name = getattr(function, "__name__", "handler")

    def decode(self, message: Message) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return (), {}

    def writes(self, delivery: Delivery, ending: Ending) -> tuple[Write, ...]:
        return ()


def job_of(function: Callable[..., Any]) -> Job:
    number = next(COUNTER)
    return Job(Delivery(Message(f"m{number}", b"[[],{}]"), "default", (1, number)), PlainHandler(function))


class Endings:
    """Collects what an executor answers; `wait` until there are so many."""

    def __init__(self) -> None:
        self.settlements: list[Settlement] = []
        self.jobs: list[Job] = []
        self.changed = threading.Condition()

    def done(self, job: Job, settlement: Settlement) -> None:
        with self.changed:
            self.jobs.append(job)
            self.settlements.append(settlement)
            self.changed.notify_all()

    def wait(self, count: int, timeout_s: float = 10.0) -> list[Settlement]:
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.settlements) >= count, timeout_s), self.settlements
            return list(self.settlements)


def eventually(condition: Callable[[], Any], what: str, timeout_s: float = 15.0) -> Any:
    """The condition's first true answer; polls, for what it looks at is another process's."""
    deadline = time.monotonic() + timeout_s
    pause = threading.Event()
    while not (answer := condition()):
        assert time.monotonic() < deadline, f"{what}: not within {timeout_s:g} s"
        pause.wait(0.02)
    return answer


__all__ = ["Endings", "PlainHandler", "Seat", "eventually", "job_of"]

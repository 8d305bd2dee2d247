"""An app of a few lines: it keeps what tasks send."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from datetime import UTC, tzinfo
from typing import Any

from postroad.core.message import BODY_BYTES_MAX, Message, Receipt, Refused, Send
from postroad.tasks.definition import Definition
from postroad.tasks.options import TaskOptions
from postroad.tasks.route import Route
from postroad.tasks.task import Task


class Kept:
    """Outbound that keeps everything."""

    def __init__(self) -> None:
        self.sends: list[Send] = []

    def send(
        self,
        sends: list[Send],
        verb: str,
        line: str,
        now: bool = False,
        timeout_s: float | None = None,
        durability: str | None = None,
    ) -> Sequence[Receipt]:
        self.sends += sends
        return [Receipt(send.message.id) for send in sends]

    async def asend(
        self, sends: list[Send], now: bool = False, timeout_s: float | None = None, durability: str | None = None
    ) -> Sequence[Receipt]:
        return self.send(sends, "", "", now)

    def submit(self, sends: list[Send]) -> Future[Sequence[Receipt | Refused]]:
        done: Future[Sequence[Receipt | Refused]] = Future()
        done.set_result(self.send(sends, "", ""))
        return done


async def no_memory() -> Any:
    raise AssertionError("nothing here asks for results")


class Shop:
    """The owner of tasks."""

    name = "shop"
    body_bytes_max = BODY_BYTES_MAX

    def __init__(self, defaults: TaskOptions | None = None, zone: tzinfo = UTC) -> None:
        self.kept = Kept()
        self.route = Route(self.kept, no_memory)
        self.task_defaults = defaults or TaskOptions()
        self.tzinfo = zone

    def task(self, function: Callable[..., Any], name: str | None = None, **options: Any) -> Task[..., Any, Any]:
        task: Task[..., Any, Any] = Task(Definition(function, TaskOptions(**options), name))
        task.definition.owner = self
        return task

    @property
    def last(self) -> Send:
        return self.kept.sends[-1]

    @property
    def message(self) -> Message:
        return self.last.message

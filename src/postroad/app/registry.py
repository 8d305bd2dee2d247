"""An app's tasks by name, and the handlers made of them."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from postroad.core.topology import Queue, Topology
from postroad.errors import ConfigurationError, NotFound
from postroad.tasks.task import Task

AnyTask = Task[..., Any, Any]


class Registry:
    """Names are taken once; the same function declared again (a module that was reloaded) takes its own place."""

    def __init__(self) -> None:
        self.by_name: dict[str, AnyTask] = {}

    @property
    def view(self) -> Mapping[str, AnyTask]:
        return MappingProxyType(self.by_name)

    def add(self, task: AnyTask) -> None:
        """Raises ConfigurationError when another function has the name."""
        present = self.by_name.get(task.name)
        if present is not None and place(present) != place(task):
            raise ConfigurationError(
                f"Two tasks are named {task.name!r}: {place(present)} and {place(task)}. Give one of them another @app.task(name=...)."
            )
        self.by_name[task.name] = task

    def find(self, name: str) -> AnyTask:
        """Raises NotFound, naming the nearest."""
        task = self.by_name.get(name)
        if task is None:
            close = difflib.get_close_matches(name, self.by_name, n=1)
            raise NotFound(f"There is no task {name!r}{f'; did you mean {close[0]!r}?' if close else '.'}")
        return task


def place(task: AnyTask) -> str:
    """Where the function is written."""
    function = inspect.unwrap(task.definition.function)
    code = getattr(function, "__code__", None)
    return f"{code.co_filename}:{function.__qualname__}" if code else repr(function)


def topology_of(queues: Iterable[str]) -> Topology:
    return Topology(tuple(Queue(name, carries="tasks") for name in sorted(set(queues))))

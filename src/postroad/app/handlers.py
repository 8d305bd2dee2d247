"""Which handler takes a delivery: asked for every message, so it is two dictionary looks."""

from __future__ import annotations

from collections.abc import Sequence

from postroad.app.middleware import Middleware, wrapped
from postroad.app.registry import AnyTask, Registry
from postroad.core.delivery import Delivery
from postroad.tasks.documents import TASK_HEADER
from postroad.tasks.handler import TaskHandler
from postroad.tasks.route import Owner


class Handlers:
    """One TaskHandler per task of an app, made when first asked for."""

    def __init__(self, registry: Registry, owner: Owner) -> None:
        self.registry = registry
        self.owner = owner
        self.middlewares: Sequence[Middleware] = ()
        self.by_name: dict[str, TaskHandler] = {}

    def resolve(self, delivery: Delivery) -> TaskHandler | None:
        """The handler of the task this delivery names; None when there is no such task here."""
        name = delivery.message.headers.get(TASK_HEADER)
        handler = self.by_name.get(name) if name is not None else None
        return handler if handler is not None or name is None else self.make(name)

    def make(self, name: str) -> TaskHandler | None:
        task = self.registry.by_name.get(name)
        if task is None:
            return None
        handler = self.by_name[name] = wrapped(self.handler_of(task), self.middlewares)
        return handler

    def handler_of(self, task: AnyTask) -> TaskHandler:
        one = task.definition
        return TaskHandler(
            one.name, one.function, one.executor, one.arguments, one.policy(self.owner), self.owner.body_bytes_max
        )

    def changed(self) -> None:
        """A task was declared anew."""
        self.by_name = {}

    def use(self, middlewares: Sequence[Middleware]) -> None:
        """From now on, inside these."""
        self.middlewares = list(middlewares)
        self.by_name = {}

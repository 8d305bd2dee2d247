"""Which handler takes a delivery: asked for every message, so it is two dictionary looks, as a rule."""

from __future__ import annotations

import copy
from collections.abc import Sequence

from postroad.app.middleware import Middleware, wrapped
from postroad.app.parts import Parts, Source
from postroad.app.registry import AnyTask, Registry
from postroad.core.delivery import Delivery
from postroad.engine.handler import Handler
from postroad.tasks.documents import TASK_HEADER
from postroad.tasks.handler import TaskHandler
from postroad.tasks.route import Owner


class Handlers:
    """One TaskHandler per task of an app, made when first asked for; the handlers of other parts by their queue."""

    def __init__(self, registry: Registry, parts: Parts, owner: Owner) -> None:
        self.registry = registry
        self.parts = parts
        self.sources: dict[str, Source] | None = None
        self.owner = owner
        self.middlewares: Sequence[Middleware] = ()
        self.by_name: dict[str, TaskHandler] = {}
        self.of_sources: dict[int, tuple[Handler, Handler]] = {}

    def resolve(self, delivery: Delivery) -> Handler | None:
        """The handler of the task this delivery names, or of the queue it came from; None when there is none here."""
        name = delivery.message.headers.get(TASK_HEADER)
        if name is None:
            return self.from_source(delivery)
        handler = self.by_name.get(name)
        return handler if handler is not None else self.make(name)

    def from_source(self, delivery: Delivery) -> Handler | None:
        """The handler that the source of its queue chooses."""
        sources = self.sources
        if sources is None:
            sources = self.sources = self.parts.sources
        source = sources.get(delivery.source)
        handler = source.resolve(delivery) if source is not None else None
        return handler if handler is None or not self.middlewares else self.inside(handler)

    def inside(self, handler: Handler) -> Handler:
        """A copy of it, made once, that runs inside the middlewares; its source keeps its own."""
        found = self.of_sources.get(id(handler))
        if found is None:
            found = self.of_sources[id(handler)] = (handler, wrapped(copy.copy(handler), self.middlewares))
        return found[1]

    def known(self) -> tuple[str, ...]:
        """The names of all handlers, for people."""
        return (*self.registry.by_name, *(one.name for source in self.parts.sources.values() for one in source.handlers))

    def executors(self) -> frozenset[str]:
        """Where they run."""
        tasks = {task.definition.executor for task in self.registry.by_name.values()}
        return frozenset(tasks | {one.executor for source in self.parts.sources.values() for one in source.handlers})

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
        """Something was declared anew."""
        self.by_name = {}
        self.of_sources = {}
        self.sources = None

    def use(self, middlewares: Sequence[Middleware]) -> None:
        """From now on, inside these."""
        self.middlewares = list(middlewares)
        self.by_name = {}
        self.of_sources = {}

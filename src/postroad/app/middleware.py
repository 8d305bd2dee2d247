"""Hooks around sends and handlers. What a middleware does not override costs nothing."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from postroad.core.delivery import Delivery
from postroad.core.message import Send
from postroad.engine.context import CURRENT
from postroad.engine.handler import Handler


class Middleware:
    """Override what you need; give it to ``app.use``. Hooks run in order before, in reverse order after."""

    def before_send(self, send: Send) -> Send:
        """Called with every message the app sends; answer it, or another in its place (msgspec.structs.replace)."""
        return send

    def before_run(self, delivery: Delivery) -> None:
        """Called where the handler runs, just before it. What it raises is the handler's error."""

    def after_run(self, delivery: Delivery, error: BaseException | None) -> None:
        """Called just after it, with what it raised. What this raises is the handler's error."""


Hook = Callable[..., Any]
Wrapped = TypeVar("Wrapped", bound=Handler)


def overridden(middlewares: Sequence[Middleware], name: str) -> list[Hook]:
    """That hook of all that override it."""
    return [getattr(one, name) for one in middlewares if getattr(type(one), name) is not getattr(Middleware, name)]


def wrapped(handler: Wrapped, middlewares: Sequence[Middleware]) -> Wrapped:
    """The handler itself when nobody asked for more; else with its function inside the hooks."""
    before = overridden(middlewares, "before_run")
    after = overridden(middlewares, "after_run")[::-1]
    if before or after:
        around = around_coroutine if inspect.iscoroutinefunction(handler.function) else around_function
        changed: Any = handler
        changed.function = around(handler.function, before, after)
    return handler


def around_function(function: Callable[..., Any], before: list[Hook], after: list[Hook]) -> Callable[..., Any]:
    @functools.wraps(function)
    def inside(*args: Any, **kwargs: Any) -> Any:
        delivery = enter(before)
        try:
            result = function(*args, **kwargs)
        except BaseException as error:
            leave(after, delivery, error)
            raise
        leave(after, delivery, None)
        return result

    return inside


def around_coroutine(function: Callable[..., Any], before: list[Hook], after: list[Hook]) -> Callable[..., Any]:
    @functools.wraps(function)
    async def inside(*args: Any, **kwargs: Any) -> Any:
        delivery = enter(before)
        try:
            result = await function(*args, **kwargs)
        except BaseException as error:
            leave(after, delivery, error)
            raise
        leave(after, delivery, None)
        return result

    return inside


def enter(before: list[Hook]) -> Delivery | None:
    context = CURRENT.get()
    delivery = context.delivery if context is not None else None
    for hook in before:
        hook(delivery)
    return delivery


def leave(after: list[Hook], delivery: Delivery | None, error: BaseException | None) -> None:
    for hook in after:
        hook(delivery, error)

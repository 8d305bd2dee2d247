"""A route whose sends pass through middleware first."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future

from postroad.app.middleware import Hook, Middleware, overridden
from postroad.core.message import Receipt, Refused, Send
from postroad.engine.route import Outbound
from postroad.tasks.route import Route


def hooked(route: Route, middlewares: Sequence[Middleware]) -> Route:
    """The route itself when no middleware cares for sends."""
    hooks = overridden(middlewares, "before_send")
    if not hooks:
        return route
    inside = Route(HookedOutbound(route.outbound, hooks), route.memory)
    inside.watch = route.watch
    return inside


class HookedOutbound:
    """Changes what is sent, then sends it."""

    def __init__(self, outbound: Outbound, hooks: Sequence[Hook]) -> None:
        self.outbound = outbound
        self.hooks = hooks

    def send(
        self,
        sends: list[Send],
        verb: str,
        line: str,
        now: bool = False,
        timeout_s: float | None = None,
        durability: str | None = None,
    ) -> Sequence[Receipt]:
        """As Outbound.send."""
        return self.outbound.send(self.changed(sends), verb, line, now, timeout_s, durability)

    async def asend(
        self, sends: list[Send], now: bool = False, timeout_s: float | None = None, durability: str | None = None
    ) -> Sequence[Receipt]:
        """As Outbound.asend."""
        return await self.outbound.asend(self.changed(sends), now, timeout_s, durability)

    def submit(self, sends: list[Send]) -> Future[Sequence[Receipt | Refused]]:
        """As Outbound.submit."""
        return self.outbound.submit(self.changed(sends))

    def changed(self, sends: list[Send]) -> list[Send]:
        for hook in self.hooks:
            sends = [hook(send) for send in sends]
        return sends

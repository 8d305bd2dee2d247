"""A handler that has nothing but a name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from postroad.core.delivery import Delivery
from postroad.core.message import Message
from postroad.core.retry import ErrorRoutes, Retry
from postroad.core.writes import Write
from postroad.engine.handler import Ending, HandlerBase


class NamedHandler(HandlerBase):
    """It does nothing with what it gets."""

    executor = "thread"
    retry: Retry | None = None
    max_deliveries = 5

    def __init__(self, name: str) -> None:
        self.name = name
        self.routes: ErrorRoutes = {}

    @property
    def function(self) -> Callable[..., Any]:
        return lambda: None

    def decode(self, message: Message) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return (), {}

    def writes(self, delivery: Delivery, ending: Ending) -> tuple[Write, ...]:
        return ()

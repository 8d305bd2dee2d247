"""A task that no worker knows: all that can be done for it is to write down how it ended."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from postroad.core.delivery import Delivery
from postroad.core.message import Message
from postroad.core.retry import ErrorRoutes, Retry
from postroad.core.writes import Put, Write
from postroad.engine.handler import Ending, HandlerBase
from postroad.errors import NotFound
from postroad.tasks.documents import ENCODE, KIND, TASK_HEADER, StateDocument

KEEP_S = 86_400.0


class OrphanHandler(HandlerBase):
    """Stands in for the handler that is not there (engine.handler.Handler); it never runs."""

    name = "(unknown task)"
    executor = "thread"
    retry: Retry | None = None
    routes: ClassVar[ErrorRoutes] = {}
    max_deliveries = 1

    @property
    def function(self) -> Callable[..., Any]:
        raise NotFound("no worker knows this task, so there is no function to run")

    def decode(self, message: Message) -> tuple[tuple[Any, ...], dict[str, Any]]:
        raise NotFound("no worker knows this task, so there is no signature to decode for")

    def writes(self, delivery: Delivery, ending: Ending) -> tuple[Write, ...]:
        """The task's end, for whoever asks for its result."""
        message = delivery.message
        if not message.track:
            return ()
        record = ending.attempt
        document = StateDocument(
            message.headers.get(TASK_HEADER, ""),
            delivery.source,
            ending.state,
            delivery.attempt,
            message.queued_at,
            ending.started_at,
            ending.ended_at,
            ending.worker,
            error=ending.reason,
            error_type=record.error_type if record is not None else "",
            reason=ending.reason,
        )
        return (Put(KIND, message.id, ENCODE(document).decode(), ending.state, ending.ended_at + KEEP_S),)

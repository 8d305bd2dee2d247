"""A task as the engine runs it: its body decoded, its ending written down."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import Raw

from postroad.core import codec
from postroad.core.delivery import Attempt, Delivery
from postroad.core.lifecycle import TERMINAL_STATES
from postroad.core.message import BODY_BYTES_MAX, Message
from postroad.core.writes import Put, Write
from postroad.engine.handler import Ending, HandlerBase
from postroad.tasks.arguments import Arguments
from postroad.tasks.documents import ENCODE, KIND, NOTHING, StateDocument
from postroad.tasks.options import Policy

DROPPED_KEEP_S = 86_400.0
NO_RECORD = Attempt("error")


class TaskHandler(HandlerBase):
    """What the engine needs of one task (engine.handler.Handler). Made once, when the app's tasks are known."""

    __slots__ = (
        "arguments", "body_bytes_max", "executor", "function", "keep_s", "max_deliveries", "name", "retry", "routes", "what",
    )  # fmt: skip

    def __init__(
        self,
        name: str,
        function: Callable[..., Any],
        executor: str,
        arguments: Arguments,
        policy: Policy,
        body_bytes_max: int = BODY_BYTES_MAX,
    ) -> None:
        self.name = name
        self.function = function
        self.executor = executor
        self.arguments = arguments
        self.retry = policy.retry
        self.routes = policy.routes
        self.max_deliveries = policy.max_deliveries
        self.keep_s = policy.keep_s
        self.body_bytes_max = body_bytes_max
        self.what = f"The result of {name}"

    def decode(self, message: Message) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Arguments for the function. Raises Undecodable."""
        return self.arguments.decode(message.body)

    def writes(self, delivery: Delivery, ending: Ending) -> tuple[Write, ...]:
        """The document that remains of an ending; none while it is retried, or when no result is kept."""
        keep_s = self.keep_s
        if keep_s is None:
            if ending.state != "DROPPED":
                return ()
            keep_s = DROPPED_KEEP_S
        if ending.state == "SUCCEEDED":
            return (self.put(delivery, ending, keep_s, self.succeeded(delivery, ending)),)
        if ending.state in TERMINAL_STATES:
            return (self.put(delivery, ending, keep_s, self.failed(delivery, ending)),)
        return ()

    def put(self, delivery: Delivery, ending: Ending, keep_s: float, document: StateDocument) -> Put:
        return Put(KIND, delivery.message.id, ENCODE(document).decode(), ending.state, ending.ended_at + keep_s)

    def succeeded(self, delivery: Delivery, ending: Ending) -> StateDocument:
        value = ending.value
        result = NOTHING if value is None else Raw(codec.encode(value, self.what, self.body_bytes_max))
        return StateDocument(
            self.name,
            delivery.source,
            "SUCCEEDED",
            delivery.attempt,
            delivery.message.queued_at,
            ending.started_at,
            ending.ended_at,
            ending.worker,
            result,
        )

    def failed(self, delivery: Delivery, ending: Ending) -> StateDocument:
        record = ending.attempt or NO_RECORD
        return StateDocument(
            self.name,
            delivery.source,
            ending.state,
            delivery.attempt,
            delivery.message.queued_at,
            ending.started_at,
            ending.ended_at,
            ending.worker,
            error=record.error,
            error_type=record.error_type,
            error_args=scalar_args(ending.error),
            traceback=record.traceback,
            reason=ending.reason,
        )


def scalar_args(error: BaseException | None) -> list[Any] | None:
    """The error's arguments when each is a JSON scalar, else None."""
    if error is None or not all(arg is None or type(arg) in (bool, int, float, str) for arg in error.args):
        return None
    try:
        codec.ENCODER.encode(error.args)
    except Exception:
        return None
    return list(error.args)

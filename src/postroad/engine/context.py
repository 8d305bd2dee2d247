"""What a running handler can reach: its delivery, its buffer of sends, its progress."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from postroad.core.delivery import Delivery
from postroad.core.message import Send
from postroad.errors import HandlerEnded, TooManySends

HANDLER_SENDS_MAX = 10_000
HANDLER_SEND_BYTES_MAX = 16 * 1024 * 1024


class SendBuffer:
    """Messages that leave with the handler's outcome (promise 5)."""

    __slots__ = ("closed", "sends", "size_bytes")

    def __init__(self) -> None:
        self.sends: list[Send] = []
        self.size_bytes = 0
        self.closed = False

    def add(self, sends: list[Send]) -> None:
        """Keep them. Raises HandlerEnded after the end, TooManySends above the limits; then none is kept."""
        if self.closed:
            raise HandlerEnded(
                "The handler whose buffer this is has ended: send before it returns, or use app.send_now()."
            )
        size_bytes = self.size_bytes + sum(len(send.message.body) for send in sends)
        if len(self.sends) + len(sends) > HANDLER_SENDS_MAX or size_bytes > HANDLER_SEND_BYTES_MAX:
            raise TooManySends(
                f"A handler may send {HANDLER_SENDS_MAX:,} messages or {HANDLER_SEND_BYTES_MAX >> 20} MiB with its outcome: send "
                "in several tasks of a chunk each, or use app.send_now(), which does not wait for the outcome."
            )
        self.sends.extend(sends)
        self.size_bytes = size_bytes

    def holds(self, id: str) -> bool:
        """Whether this message waits here for the handler's end."""
        return any(send.message.id == id for send in self.sends)


class HandlerContext:
    """One run of one handler. ``state``: what the app's lifespan yielded. ``on_progress``: told of every progress."""

    __slots__ = ("buffer", "delivery", "name", "on_progress", "send_now", "state")

    def __init__(
        self, delivery: Delivery, name: str, state: Any, on_progress: Callable[[str, str], None] | None
    ) -> None:
        self.delivery = delivery
        self.name = name
        self.state = state
        self.on_progress = on_progress
        self.buffer = SendBuffer()
        self.send_now = False


CURRENT: ContextVar[HandlerContext | None] = ContextVar("postroad_current", default=None)

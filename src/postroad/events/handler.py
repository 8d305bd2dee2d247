"""A handler of events as the engine runs it: the body read by the event's type."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from postroad.core.delivery import Delivery
from postroad.core.message import Message
from postroad.engine.attributes import TYPE
from postroad.engine.checks import checked_retry, checked_routes, executor_of
from postroad.engine.handler import Gate
from postroad.engine.records import MessageHandlerBase
from postroad.errors import Undecodable
from postroad.events.options import SubscribeOptions
from postroad.events.reading import Readers

Mark = Callable[[Message], str | None]
NO_KWARGS: dict[str, Any] = {}


class EventHandler(MessageHandlerBase):
    """What the engine needs of one subscribed function (engine.handler.Handler).

    ``inbox``: what of a message the inbox remembers. ``order_skip``: one that is retried lets the next of its key pass.
    """

    def __init__(self, function: Callable[..., Any], name: str, options: SubscribeOptions, readers: Readers) -> None:
        self.name = name
        self.function = function
        self.readers = readers
        self.executor = executor_of(function, options.executor, name)
        self.retry = checked_retry(options.retry)
        self.routes = checked_routes(options.on_error or {})
        self.max_deliveries = options.max_deliveries
        self.batch = options.gathering
        self.ack_early = options.ack == "early"
        self.order_skip = options.order == "skip"
        self.inbox: Mark | None = None
        self.gate: Gate | None = None
        self.special = bool(self.batch or self.ack_early or self.order_skip)

    def guard(self, inbox: Mark | None, gate: Gate | None) -> None:
        """What is asked before it runs."""
        self.inbox, self.gate = inbox, gate
        self.special = self.special or inbox is not None or gate is not None

    def decode(self, message: Message) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The function's one argument; of a batch, one of its items. Raises Undecodable."""
        return (self.readers(message.headers[TYPE])(message),), NO_KWARGS

    def mark(self, delivery: Delivery) -> str | None:
        """What the inbox knows it by. Raises Undecodable."""
        return None if self.inbox is None else self.inbox(delivery.message)


class ForeignHandler(MessageHandlerBase):
    """For what is in a group's queue and is no event: a dead letter that says so."""

    executor = "thread"
    retry = None
    max_deliveries = 5

    def __init__(self, group: str) -> None:
        self.group = group
        self.name = f"events of group {group}"
        self.routes: dict[type[BaseException], Any] = {}

    def function(self) -> None:
        """Never called."""

    def decode(self, message: Message) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Raises Undecodable."""
        raise Undecodable(
            f"This message has no {TYPE} header, so it is no event, and group {self.group!r} takes events only: publish it with "
            f"app.publish(...), or give it the headers {TYPE} and ce_source (CloudEvents 1.0, binary mode)."
        )

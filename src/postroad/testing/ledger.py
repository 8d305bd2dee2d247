"""What was sent, in the order in which it left."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

import msgspec

from postroad.core.message import Message, Send
from postroad.core.routing import RoutingTable
from postroad.core.topology import Topology
from postroad.engine.attributes import TYPE
from postroad.tasks.documents import TASK_HEADER


class Sent(msgspec.Struct, frozen=True, dict=True):
    """One message that left. ``kind``: "task", "event" or "message".

    ``name``: the task's name, the event's type, or "". ``queues``: those it went to, by name.
    ``exchange`` and ``routing_key``: where it was sent; a queue's own messages have the exchange "".
    """

    kind: str
    name: str
    queues: tuple[str, ...]
    exchange: str
    routing_key: str
    message: Message

    @property
    def queue(self) -> str:
        """The one queue it went to; "" when there are none or several."""
        return self.queues[0] if len(self.queues) == 1 else ""

    @property
    def task(self) -> str:
        """The task's name; "" for what is no task."""
        return self.name if self.kind == "task" else ""

    @cached_property
    def body(self) -> Any:
        """As JSON has it; the bytes when it is none. Of a task: [args, kwargs]."""
        try:
            return msgspec.json.decode(self.message.body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return self.message.body

    @property
    def args(self) -> list[Any]:
        """Of a task: its arguments, as JSON has them."""
        return list(self.body[0]) if self.kind == "task" else []

    @property
    def kwargs(self) -> dict[str, Any]:
        """Of a task: its keyword arguments, as JSON has them."""
        return dict(self.body[1]) if self.kind == "task" else {}

    @property
    def headers(self) -> Mapping[str, str]:
        """All of the message's headers."""
        return self.message.headers

    @property
    def key(self) -> str | None:
        """What it is ordered by."""
        return self.message.key

    @property
    def priority(self) -> int:
        """0-9, higher is sooner."""
        return self.message.priority

    @property
    def delay_s(self) -> float:
        """Seconds from when it was sent until it may be handled."""
        due_at = self.message.due_at
        return 0.0 if due_at is None else round(due_at - self.message.queued_at, 3)


class Ledger:
    """``topology``: asked for what an exchange routes to."""

    def __init__(self, topology: Callable[[], Topology]) -> None:
        self.topology = topology
        self.sent: list[Sent] = []

    def note(self, sends: Iterable[Send]) -> None:
        """These have left."""
        for send in sends:
            self.sent.append(self.entry(send))

    def entry(self, send: Send) -> Sent:
        kind, name = kind_and_name(send.message.headers)
        return Sent(kind, name, self.queues(send), send.to.exchange, send.to.routing_key, send.message)

    def queues(self, send: Send) -> tuple[str, ...]:
        to = send.to
        if not to.exchange:
            return (to.routing_key,)
        found = RoutingTable(self.topology()).route(to.exchange, to.routing_key, send.message.headers)
        return tuple(sorted(found or ()))

    def to(self, queue: str) -> list[Sent]:
        """All that went to this queue."""
        return [sent for sent in self.sent if queue in sent.queues]

    def of(self, kind: str, fits: Callable[[str], bool]) -> Sequence[Sent]:
        """All of this kind whose name fits."""
        return [sent for sent in self.sent if sent.kind == kind and fits(sent.name)]


def kind_and_name(headers: Mapping[str, str]) -> tuple[str, str]:
    for kind, header in (("task", TASK_HEADER), ("event", TYPE)):
        if header in headers:
            return kind, headers[header]
    return "message", ""

"""A queue's consumer: the source of its deliveries' handler."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec

from postroad.core.delivery import Delivery
from postroad.core.durations import Duration, seconds
from postroad.core.message import Message
from postroad.core.retry import Retry
from postroad.core.topology import Topology
from postroad.engine.annotations import describe
from postroad.engine.bodies import Read, reader
from postroad.engine.checks import (
    ORDERS,
    Routes,
    check_choice,
    checked_count,
    checked_retry,
    checked_routes,
    executor_of,
)
from postroad.engine.handler import Batch, Gate, Handler
from postroad.engine.parameters import handler_name, item_type, readable, same_place, sole_parameter, written_type
from postroad.engine.records import MessageHandlerBase
from postroad.engine.route import Owner
from postroad.errors import ConfigurationError, InvalidOption, NotSupported
from postroad.queues.gates import ON_GAP, Field, Sequencing, field, gap_seconds, mark_of, whole_number

if TYPE_CHECKING:
    from postroad.queues.queue import MessageQueue

ACKS = ("late", "early")


class ConsumerOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What ``@q.consumer(...)`` takes. Raises InvalidOption."""

    prefetch: int | None = None
    ack: str = "late"
    batch: int | None = None
    batch_wait: Duration = 0.1
    retry: Retry | None = None
    on_error: Routes | None = None
    max_deliveries: int = 5
    executor: str | None = None
    order: str = "wait"
    inbox: Field | bool | None = None
    sequence: Field | None = None
    gap_timeout: Duration = "30s"
    on_gap: str = "dead-letter"
    name: str | None = None

    def __post_init__(self) -> None:
        check_choice("ack", self.ack, ACKS)
        check_choice("order", self.order, ORDERS)
        check_choice("on_gap", self.on_gap, ON_GAP)
        checked_count("max_deliveries", self.max_deliveries)
        for name, value in (("prefetch", self.prefetch), ("batch", self.batch)):
            if value is not None:
                checked_count(name, value)
        if self.prefetch is not None and self.prefetch < (self.batch or 0):
            raise InvalidOption(f"prefetch={self.prefetch}, batch={self.batch}: a batch could never be full. Leave prefetch out.")
        if self.batch is not None and self.executor == "process":
            raise NotSupported('batch= with executor="process": not built yet. Take messages one by one there, or lists in a thread.')
        self.check_early()
        if self.sequence is not None and self.order == "skip":
            raise InvalidOption('sequence= keeps the order of each key, and order="skip" gives it up: leave one of them out.')

    def check_early(self) -> None:
        if self.ack == "early" and (self.retry is not None or self.on_error or self.sequence is not None):
            raise InvalidOption(
                'ack="early": the message has left before its handler runs, so nothing can be retried, routed or waited for. Leave '
                'retry=, on_error= and sequence= out, or use ack="late".'
            )

    @property
    def gathering(self) -> Batch | None:
        return None if self.batch is None else Batch(self.batch, seconds(self.batch_wait, "batch_wait"))


FOREIGN = {
    "auto_ack": 'ack="early" is at most once; without it a message stays until its handler has ended',
    "no_ack": 'ack="early" is at most once; without it a message stays until its handler has ended',
    "acks_late": "nothing: a message stays until its handler has ended",
    "prefetch_count": "prefetch=...",
    "requeue": "retry=Retry(max=3), or `raise RetryLater(after=5)` in the handler: never for ever",
    "max_retries": "retry=Retry(max=...)",
    "batch_size": "batch=...",
    "group": "nothing: a queue has one consumer; for several groups, bind a queue each to an exchange, or publish events",
    "exclusive": "app.queue(..., exclusive=True)",
}


def consumer_options(options: dict[str, Any]) -> ConsumerOptions:
    """Raises InvalidOption, with what to write instead."""
    known = ConsumerOptions.__struct_fields__
    for option in options:
        if option in FOREIGN:
            raise InvalidOption(f"@q.consumer({option}=...) is not how it is written here. Instead: {FOREIGN[option]}.")
        if option not in known:
            close = difflib.get_close_matches(option, known, n=1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise InvalidOption(f"@q.consumer({option}=...): there is no such option.{hint} Known: {', '.join(known)}.")
    return ConsumerOptions(**options)


class MessageHandler(MessageHandlerBase):
    """What the engine needs of a consumer (engine.handler.Handler). ``schema``: of the queue, for a parameter that says nothing."""

    def __init__(self, function: Callable[..., Any], options: ConsumerOptions, schema: Any = None) -> None:
        self.name = handler_name(function, options.name)
        self.function = function
        self.schema = schema
        self.batch = options.gathering
        self.executor = executor_of(function, options.executor, self.name)
        self.retry = checked_retry(options.retry)
        self.routes = checked_routes(options.on_error or {})
        self.max_deliveries = options.max_deliveries
        self.ack_early = options.ack == "early"
        self.order_skip = options.order == "skip"
        self.gate: Gate | None = None
        self.inbox = marker(options.inbox, self.body)
        self.parameter = sole_parameter(function, self.example)
        self.taken()
        self.special = self.batch is not None or self.ack_early or self.order_skip or self.inbox is not None

    @property
    def example(self) -> str:
        taken = "bodies: list[dict[str, Any]]" if self.batch else "body: dict[str, Any]"
        return f"`def {self.function.__name__}({taken}) -> None`"

    def taken(self) -> Any:
        """What the function takes, as a type; the item of a batch. Raises ConfigurationError where no message can be that."""
        words = describe(self.function, self.function.__name__)
        kind = written_type(self.function, self.parameter)
        if self.batch is not None:
            kind = item_type(kind, words, self.example)
        return kind if kind in (Message, bytes) else readable(kind, words)

    @cached_property
    def read(self) -> Read:
        """Made at the first message: the names in the annotation exist by then."""
        return reader(self.taken(), self.schema, f"The body for {self.name}")

    def body(self, message: Message) -> Any:
        """As the function takes it; of a batch, one item. Raises Undecodable."""
        return self.read(message)

    def decode(self, message: Message) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Arguments for the function; of a batch, one item for its list. Raises Undecodable."""
        return (self.read(message),), {}

    def mark(self, delivery: Delivery) -> str | None:
        """What the inbox knows it by. Raises Undecodable."""
        return None if self.inbox is None else mark_of(self.inbox(delivery.message))

    def through(self, gate: Gate) -> None:
        """Only what the gate lets pass."""
        self.gate = gate
        self.special = True


def marker(inbox: Field | bool | None, read: Read) -> Read | None:
    """What the inbox looks at: the message's id, or what is said of its body."""
    if inbox is None or inbox is False:
        return None
    return (lambda message: message.id) if inbox is True else field(inbox, "inbox", read)


class QueueConsumer:
    """A Source: one queue, one handler."""

    kind = "consumer"

    def __init__(self, queue: MessageQueue[Any], function: Callable[..., Any], options: ConsumerOptions) -> None:
        self.of = queue
        self.prefetch = options.prefetch
        self.handler = MessageHandler(function, options, queue.declared.schema)
        self.handlers: Sequence[Handler] = (self.handler,)
        if options.sequence is not None:
            self.handler.through(queue.gates(queue.name, self.sequencing(options, options.sequence)))

    def sequencing(self, options: ConsumerOptions, which: Field) -> Sequencing:
        number = field(which, "sequence", self.handler.body)
        gap_timeout_s = gap_seconds(options.gap_timeout)
        return Sequencing(lambda message: whole_number(number(message)), gap_timeout_s, options.on_gap)

    @property
    def name(self) -> str:
        """The queue's."""
        return self.of.name

    @property
    def queue(self) -> str:
        """The queue's name."""
        return self.of.name

    @property
    def temporary(self) -> bool:
        """Whether the queue goes with this process."""
        return self.of.temporary

    def adopt(self, owner: Owner) -> None:
        """An app took it in."""

    def check_alike(self, present: object) -> None:
        """Raises ConfigurationError for another function: each message would go to either."""
        if isinstance(present, QueueConsumer) and not same_place(present.handler.function, self.handler.function):
            raise ConfigurationError(
                f"Queue {self.name!r} has a consumer already, {present.handler.name}; a second one, {self.handler.name}, would take "
                "messages from it at random. Handle both in one function, or give each a queue and bind both to an exchange."
            )

    def topology(self) -> Topology:
        """A temporary queue exists where it is taken from; any other by its own declaration."""
        return self.of.full_topology() if self.temporary else Topology()

    def resolve(self, delivery: Delivery) -> Handler:
        """There is but one."""
        return self.handler

"""Handlers of dead letters: each has a queue of its own, into which the engine copies what dies."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from postroad.core import codec
from postroad.core.delivery import Delivery
from postroad.core.message import Message
from postroad.core.retry import ErrorRoutes, Retry
from postroad.core.routing import DEAD_LETTERS
from postroad.core.topology import Binding, Exchange, Queue, Topology, valid_name
from postroad.engine.annotations import describe
from postroad.engine.checks import checked_count, checked_retry, executor_of
from postroad.engine.errortypes import loaded_type, qualified_name
from postroad.engine.handler import Handler
from postroad.engine.parameters import handler_name, same_place, sole_parameter, written_type
from postroad.engine.records import MessageHandlerBase
from postroad.engine.route import Owner
from postroad.errors import ConfigurationError, InvalidOption
from postroad.ports.driver import DeadLetterRecord

PREFIX = "dead-letters."
EVERYTHING = "#"

DECODE = msgspec.json.Decoder(DeadLetterRecord).decode

ErrorKind = type[BaseException] | str


class EscalationSource(msgspec.Struct, frozen=True):
    """Of what to hear: a queue, and of it one task's letters alone when ``task`` says so."""

    queue: str
    task: str | None = None


class EscalationHandler(MessageHandlerBase):
    """Takes letters; those that it is not about are accepted unseen."""

    batch = None
    routes: ErrorRoutes

    def __init__(self, function: Callable[..., Any], name: str | None, retry: Retry | None, max_deliveries: int) -> None:
        self.name = valid_name(handler_name(function, name), "handler")
        self.executor = executor_of(function, None, self.name)
        self.retry = checked_retry(retry)
        self.max_deliveries = checked_count("max_deliveries", max_deliveries)
        self.routes = {}
        self.function = function
        example = f"`def {function.__name__}(letter: DeadLetterRecord) -> None`"
        kind = written_type(function, sole_parameter(function, example))
        if kind not in (Any, object, DeadLetterRecord):
            raise ConfigurationError(f"{describe(function, function.__name__)} is called with a DeadLetterRecord: write {example}.")

    def about(self, wanted: Callable[[DeadLetterRecord], bool]) -> None:
        """Call the function with these alone."""
        around = only_async if inspect.iscoroutinefunction(self.function) else only
        self.function = around(self.function, wanted)

    def decode(self, message: Message) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The letter."""
        return (codec.decode(DECODE, message.body, f"The letter for {self.name}"),), {}


def only(function: Callable[..., Any], wanted: Callable[[DeadLetterRecord], bool]) -> Callable[..., Any]:
    @functools.wraps(function)
    def filtered(letter: DeadLetterRecord) -> None:
        if wanted(letter):
            function(letter)

    return filtered


def only_async(function: Callable[..., Any], wanted: Callable[[DeadLetterRecord], bool]) -> Callable[..., Any]:
    @functools.wraps(function)
    async def filtered(letter: DeadLetterRecord) -> None:
        if wanted(letter):
            await function(letter)

    return filtered


class DeadLetterSource:
    """A Source: what dies in ``sources`` (all queues, when there are none), of ``error`` if that is said."""

    kind = "dead-letter handler"
    temporary = False
    prefetch: int | None = None

    def __init__(
        self, handler: EscalationHandler, sources: Callable[[Owner], Sequence[EscalationSource]], error: ErrorKind | None
    ) -> None:
        self.handler = handler
        self.handlers: Sequence[Handler] = (handler,)
        self.find_sources = sources
        self.error = None if error is None else error_name(error)
        self.sources: Sequence[EscalationSource] = ()
        handler.about(self.wants)

    @property
    def name(self) -> str:
        """The handler's."""
        return self.handler.name

    @property
    def queue(self) -> str:
        """The queue of its own."""
        return PREFIX + self.handler.name

    def adopt(self, owner: Owner) -> None:
        """An app took it in: a task's queue is known now."""
        self.sources = self.find_sources(owner)

    def check_alike(self, present: object) -> None:
        """Raises ConfigurationError for another function of its name."""
        if isinstance(present, DeadLetterSource) and not same_place(present.handler.function, self.handler.function):
            raise ConfigurationError(
                f"Two handlers of dead letters are named {self.name!r}, and would share a queue: give one of them another name=."
            )

    def topology(self) -> Topology:
        """Its queue, bound to what it hears of."""
        patterns = sorted({one.queue for one in self.sources}) or [EVERYTHING]
        return Topology(
            (Queue(self.queue, carries="messages"),),
            (Exchange(DEAD_LETTERS, "topic"),),
            tuple(Binding(DEAD_LETTERS, self.queue, pattern) for pattern in patterns),
        )

    def resolve(self, delivery: Delivery) -> Handler:
        """There is but one."""
        return self.handler

    def wants(self, letter: DeadLetterRecord) -> bool:
        """Whether it is about this one."""
        return self.hears(letter) and (self.error is None or is_a(letter.error_type, self.error))

    def hears(self, letter: DeadLetterRecord) -> bool:
        task = letter.message.headers.get("postroad-task")
        return not self.sources or any(
            one.queue == letter.source and one.task in (None, task) for one in self.sources
        )


def error_name(error: Any) -> str:
    if isinstance(error, str) and error:
        return error
    if isinstance(error, type) and issubclass(error, BaseException):
        return qualified_name(error)
    raise InvalidOption(f"error={error!r}: write an exception type, or its qualified name, as 'shop.errors.OutOfStock'.")


def is_a(found: str, wanted: str) -> bool:
    """By name; by inheritance too, where both types are loaded in this process."""
    if found == wanted:
        return True
    kind, other = loaded_type(found), loaded_type(wanted)
    return kind is not None and other is not None and issubclass(kind, other)

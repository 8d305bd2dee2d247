"""Events and subscriptions, as an app or a router declares them; publishing, as an app does it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, ParamSpec, Protocol, TypeVar

from postroad.app.guarding import guard
from postroad.app.parts import P as Declared
from postroad.app.parts import Part, Parts
from postroad.core.durations import Duration, optional_seconds
from postroad.core.retry import Retry
from postroad.engine.checks import Routes
from postroad.errors import ConfigurationError
from postroad.events.facts import EventFacts, checked_facts, make_known
from postroad.events.group import DeclaredEvent, EventGroup
from postroad.events.options import SubscribeOptions
from postroad.events.publishing import EventPublisher
from postroad.events.shape import Publication
from postroad.events.subscription import AnySubscriber, Subscriber

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


FIRST = threading.RLock()
"""Handlers in several threads may publish the first event of a type at once; one of them declares it."""


class SubscribeDecorator(Protocol):
    """What ``@app.subscribe(...)`` answers."""

    def __call__(self, fn: Callable[P, R], /) -> Subscriber[P, R]: ...


class DeclaresEvents:
    """Who inherits takes the parts in by `declare`, and keeps them in ``parts``."""

    parts: Parts

    def declare(self, part: Declared) -> Declared:
        raise NotImplementedError

    def event(
        self, name: str, *, key: str | Callable[[Any], Any] | None = None, topic: str | None = None
    ) -> Callable[[type[T]], type[T]]:
        """Declare an event over a dataclass, a Struct or a pydantic model: ``@app.event("click", key="user_id")``.

        The class stays as it is. ``name``: its type on the wire, words divided by dots. ``key``: a field, or a function of the
        event: events of one key are handled in order. Raises InvalidName, ConfigurationError.
        """

        def declare(kind: type[T]) -> type[T]:
            if not isinstance(kind, type):
                raise ConfigurationError(f"@app.event declares classes, and {kind!r:.80} is none.")
            facts = make_known(kind, checked_facts(kind, name, key, topic))
            present = self.parts.find("event", facts.type)
            if not (isinstance(present, DeclaredEvent) and same_class(present.of, kind)):
                self.declare(DeclaredEvent(kind, facts))
            return kind

        return declare

    def subscribe(
        self,
        *events: type[Any] | str,
        group: str | None = None,
        order: str = "wait",
        retry: Retry | None = None,
        on_error: Routes | None = None,
        batch: int | None = None,
        batch_wait: Duration = 0.1,
        start: str = "new",
        broadcast: bool = False,
        prefetch: int | None = None,
        max_deliveries: int = 5,
        executor: str | None = None,
        ack: str = "late",
        inbox: str | Callable[[Any], Any] | bool | None = None,
        sequence: str | Callable[[Any], Any] | None = None,
        gap_timeout: Duration = "30s",
        on_gap: str = "dead-letter",
    ) -> SubscribeDecorator:
        """Handle events: ``@app.subscribe(OrderCreated)``, ``@app.subscribe("order.*", group="audit")``. The function stays one.

        ``events``: classes, and patterns of types (``*`` one word, ``#`` any number). Its one parameter says how an event
        comes: the class, a union of classes, ``dict[str, Any]``, ``CloudEvent[...]`` of one of these, ``list[...]`` with ``batch``.
        ``group``: each group gets every event once, from the time it was first declared; by default the function's own
        name. ``broadcast``: a group of each process's own, as long as it runs. ``order``: "wait" (a failing event holds up
        those of its key while it is retried) or "skip". ``retry``, ``on_error``, ``max_deliveries``, ``executor``: as of tasks.
        ``batch``: the function takes a list, of up to so many, gathered for up to ``batch_wait``. ``prefetch``: most events
        that a process holds of this group. ``ack``: "late", or "early": an event leaves before it is handled, at most once.
        ``inbox``: a second event with the same mark is not handled by this group: True for the event's id, or a field of it,
        or a function. ``sequence``: a field with a number that grows by one in each key: events are handled in its order, once;
        a gap waits ``gap_timeout``, then ``on_gap``: "dead-letter" or "skip". ``start``: "new".
        Raises ConfigurationError, InvalidOption, InvalidPattern, NotSupported.
        """
        options = SubscribeOptions(
            order=order,
            retry=retry,
            on_error=on_error,
            batch=batch,
            batch_wait=batch_wait,
            start=start,
            broadcast=broadcast,
            prefetch=prefetch,
            max_deliveries=max_deliveries,
            executor=executor,
            ack=ack,
        )

        def declare(function: Callable[P, R]) -> Subscriber[P, R]:
            subscriber: Subscriber[P, R] = Subscriber(plain_function(function), events, group, options)
            guard(subscriber, inbox, sequence, gap_timeout, on_gap)
            self.take_in(subscriber)
            return subscriber

        return declare

    def take_in(self, subscriber: AnySubscriber) -> None:
        """Declare it; the same function again, from a module that was imported once more, takes its own place."""
        present = self.parts.find(subscriber.kind, subscriber.name)
        key = (subscriber.kind, subscriber.name)
        if isinstance(present, Subscriber):
            self.parts.all.pop(key)
        try:
            self.declare(subscriber)
        except ConfigurationError:
            self.parts.all.pop(key, None)
            raise


def plain_function(function: Any) -> Any:
    """The function itself, of one that is subscribed already. Raises ConfigurationError for what is none."""
    if isinstance(function, Subscriber):
        return function.function
    if not hasattr(function, "__code__"):
        raise ConfigurationError(
            f"@app.subscribe declares functions, and {function!r:.80} is none: write a def, which may call task.delay(...)."
        )
    return function


def same_class(one: type, other: type) -> bool:
    return (one.__module__, one.__qualname__) == (other.__module__, other.__qualname__)


class PublishesEvents(DeclaresEvents):
    """The verbs of an app: publish, and what an event's class or a group asks of it."""

    outgoing_events: EventPublisher

    def publish(
        self,
        event: Any,
        *,
        id: str | None = None,
        source: str | None = None,
        time: datetime | None = None,
        subject: str | None = None,
        headers: Mapping[str, str] | None = None,
        delay: Duration | None = None,
        priority: int | None = None,
        mandatory: bool = False,
        timeout: Duration | None = None,
        send_now: bool = False,
    ) -> str:
        """Publish an event to every group that named its type; answers its id. To nobody is no error.

        Durable when this returns; inside a handler, it leaves with the handler's outcome, unless ``send_now``.
        ``id``: your own; an event with it is handled once by each group. ``source``: who says so, by default the app's name.
        ``time``: when it happened, by default now. ``subject``: what it is about. ``headers``: text to text. ``delay``: not
        handled before this long. ``priority``: 0-9, higher is sooner. ``mandatory``: raises Unroutable when nobody named its
        type. ``timeout``: how long to wait for room in a bounded queue. Raises ConfigurationError for what is no event,
        Unserialisable, TooLarge, InvalidOption.
        """
        said = publication(id, source, time, subject, headers, delay, priority, mandatory)
        return self.outgoing_events.publish(event, said, send_now, optional_seconds(timeout, "timeout"))

    async def apublish(
        self,
        event: Any,
        *,
        id: str | None = None,
        source: str | None = None,
        time: datetime | None = None,
        subject: str | None = None,
        headers: Mapping[str, str] | None = None,
        delay: Duration | None = None,
        priority: int | None = None,
        mandatory: bool = False,
        timeout: Duration | None = None,
        send_now: bool = False,
    ) -> str:
        """Publish an event to every group that named its type; answers its id. To nobody is no error.

        Durable when this returns; inside a handler, it leaves with the handler's outcome, unless ``send_now``.
        ``id``: your own; an event with it is handled once by each group. ``source``: who says so, by default the app's name.
        ``time``: when it happened, by default now. ``subject``: what it is about. ``headers``: text to text. ``delay``: not
        handled before this long. ``priority``: 0-9, higher is sooner. ``mandatory``: raises Unroutable when nobody named its
        type. ``timeout``: how long to wait for room in a bounded queue. Raises ConfigurationError for what is no event,
        Unserialisable, TooLarge, InvalidOption.
        """
        said = publication(id, source, time, subject, headers, delay, priority, mandatory)
        return await self.outgoing_events.apublish(event, said, send_now, optional_seconds(timeout, "timeout"))

    def publish_many(self, events: Iterable[Any], *, send_now: bool = False) -> list[str]:
        """Publish many events, in order: in batches, each of them durable as a whole; all of them when this returns. The ids."""
        return self.outgoing_events.publish_many(events, send_now)

    async def apublish_many(self, events: Iterable[Any], *, send_now: bool = False) -> list[str]:
        """Publish many events, in order: in batches, each of them durable as a whole; all of them when this returns. The ids."""
        return await self.outgoing_events.apublish_many(events, send_now)

    def first_published(self, kind: type, facts: EventFacts) -> None:
        """Its type is known from now on. The first of all declares the exchange; that of the others needs nothing more."""
        with FIRST:
            if self.parts.find("event", facts.type) is None:
                take_in = self.parts.add if any(map(declares_exchange, self.parts)) else self.declare
                take_in(DeclaredEvent(kind, facts))

    def join(self, subscriber: AnySubscriber) -> None:
        """Into its group, which is made by its first member."""
        group = self.parts.find("subscription", subscriber.group)
        if not isinstance(group, EventGroup):
            group = EventGroup(subscriber)
        else:
            group.join(subscriber)
        self.declare(group)


def declares_exchange(part: Part) -> bool:
    """That of events, also where no worker runs."""
    return part.kind == "event" or (isinstance(part, EventGroup) and not part.temporary)


NOTHING_SAID = (None,) * 7


def publication(
    id: str | None,
    source: str | None,
    time: datetime | None,
    subject: str | None,
    headers: Mapping[str, str] | None,
    delay: Duration | None,
    priority: int | None,
    mandatory: bool,
) -> Publication | None:
    """None when nothing was said, which is the fast way."""
    said = (id, source, time, subject, headers, delay, priority)
    if said == NOTHING_SAID and not mandatory:
        return None
    return Publication(
        id=id,
        source=source,
        time=time,
        subject=subject,
        headers=headers,
        delay=delay,
        priority=priority,
        mandatory=mandatory,
    )

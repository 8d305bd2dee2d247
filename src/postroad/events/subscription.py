"""A function that is subscribed: still a function, with the group it is of and what died there."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, Generic, ParamSpec, Protocol, TypeVar, cast

from postroad.core.routing import overlap, valid_pattern
from postroad.core.topology import Topology, valid_name
from postroad.engine.deadletters import DeadLetters
from postroad.engine.names import task_name
from postroad.engine.parameters import handler_name
from postroad.engine.route import Owner
from postroad.errors import ConfigurationError, InvalidName
from postroad.events.event import Event
from postroad.events.facts import facts_of
from postroad.events.handler import EventHandler
from postroad.events.options import SubscribeOptions, own_place
from postroad.events.reading import Readers, reading_of
from postroad.ports.driver import DeadLetterFilter

P = ParamSpec("P")
R = TypeVar("R")

TOPIC = "events"


class Wanted:
    """What a subscription names: classes by their type, and patterns (a type's name is one too)."""

    def __init__(self, what: Sequence[Any], words: str) -> None:
        if not what:
            raise ConfigurationError(
                f'{words} is subscribed to nothing: write @app.subscribe(OrderCreated), a pattern as "order.*", or "#" for all events.'
            )
        self.classes: dict[str, type] = {}
        self.patterns: list[str] = []
        self.topics: set[str | None] = set()
        for one in what:
            self.add(one, words)

    def add(self, one: Any, words: str) -> None:
        if isinstance(one, str):
            self.patterns.append(valid_pattern(one))
            return
        facts = facts_of(one)
        if facts is None:
            raise not_an_event(one, words)
        self.classes[facts.type] = one
        self.topics.add(facts.topic)

    @property
    def all(self) -> tuple[str, ...]:
        """Everything, as patterns."""
        return tuple(dict.fromkeys([*self.classes, *self.patterns]))

    def common(self, other: Wanted) -> str:
        """What both take, in words; "" for nothing."""
        pairs = ({mine, theirs} for mine in self.all for theirs in other.all if overlap(mine, theirs))
        return " and ".join(map(repr, sorted(next(pairs, ()))))


def not_an_event(one: Any, words: str) -> ConfigurationError:
    if one is Event:
        return ConfigurationError(f'{words}: Event is what events inherit; for all of them, subscribe to "#".')
    if isinstance(one, type):
        return ConfigurationError(
            f'{words}: {one.__name__} is no event: let it inherit postroad.Event, or write @app.event("its.type") above the class.'
        )
    shown = one.__name__ if callable(one) and hasattr(one, "__name__") else repr(one)[:80]
    return ConfigurationError(
        f"{words}: {shown} is neither an event's class nor a pattern: write @app.subscribe(OrderCreated), "
        'or "order.*".'
    )


class HasQueue(Protocol):
    """A group, as its members see it."""

    @property
    def queue(self) -> str: ...


class Subscriber(Generic[P, R]):
    """Made by ``@app.subscribe``. Calling it calls the function. ``group``: each gets a copy of every event it names."""

    kind = "subscriber"

    def __init__(
        self, function: Callable[P, R], what: Sequence[Any], group: str | None, options: SubscribeOptions
    ) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self.wanted = Wanted(what, f"@app.subscribe of {function.__name__}")
        self.group = group_name(function, group)
        self.options = options
        self.owner: Owner | None = None
        self.joined: HasQueue | None = None
        reading = reading_of(
            function, list(self.wanted.classes.values()), bool(self.wanted.patterns), options.batch is not None
        )
        self.readers = Readers(reading, self.wanted.classes)
        self.handler = EventHandler(function, handler_name(function, None), options, self.readers)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.function(*args, **kwargs)

    @property
    def queue(self) -> str:
        """Where its group's events wait. A broadcast has one in each process: this one's."""
        return self.joined.queue if self.joined is not None else f"{self.topic}.{self.group}"

    @property
    def topic(self) -> str:
        """That of its events' classes. Raises ConfigurationError when they have several."""
        topics = {topic or TOPIC for topic in self.wanted.topics}
        if len(topics) > 1:
            raise ConfigurationError(
                f"{self.name} is subscribed to events of several topics ({', '.join(sorted(topics))}), and a group takes from one: "
                "subscribe once for each topic, with a group for each."
            )
        return topics.pop() if topics else TOPIC

    @property
    def dead_letters(self) -> DeadLetters:
        """What died in its group."""
        return DeadLetters(self.owned, DeadLetterFilter(source=self.queue))

    def owned(self) -> Owner:
        """The app. Raises ConfigurationError while there is none."""
        if self.owner is None:
            raise ConfigurationError(
                f"{self.name} is declared on a router that no app includes, so there is no engine behind it: app.include(router)."
            )
        return self.owner

    def same_function(self, other: Subscriber[..., Any]) -> bool:
        """Whether it is written at the same place: its module was imported once more."""
        return self.handler.name == other.handler.name and own_place(self.function) == own_place(other.function)

    def __repr__(self) -> str:
        return f"<Subscriber {self.handler.name} of group {self.group}>"

    # A part of an app

    @property
    def name(self) -> str:
        """Its own, within its group."""
        return f"{self.group}: {self.handler.name}: {', '.join(self.wanted.all)}"

    def adopt(self, owner: Owner) -> None:
        """An app took it in: it joins its group there."""
        self.owner = owner
        cast(HasGroups, owner).join(self)

    def topology(self) -> Topology:
        """Its group's says it."""
        return Topology()


AnySubscriber = Subscriber[..., Any]


class HasGroups(Protocol):
    """An app, as those who are subscribed see it."""

    def join(self, subscriber: AnySubscriber) -> None:
        """Into the group of this app that it names."""


def group_name(function: Callable[..., Any], given: str | None) -> str:
    """As given, else the function's qualified name. Raises InvalidName."""
    if given is not None:
        return valid_name(given, "group")
    if function.__name__ == "<lambda>":
        raise InvalidName('A lambda has no name for a group that stays: use def, or @app.subscribe(..., group="inventory").')
    found = task_name(function, None)
    if found.startswith("__main__."):
        raise InvalidName(
            f"{function.__name__} is written in __main__ (a prompt, a notebook), so its name means nothing to another process, and a "
            'group keeps its name for good: give it one, @app.subscribe(..., group="inventory").'
        )
    return found

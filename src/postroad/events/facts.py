"""What is known of an event's class: its type's name, its key, its topic. From the class's own line, or from ``@app.event``."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Callable
from operator import attrgetter
from typing import Any
from weakref import WeakKeyDictionary

import msgspec

from postroad.core.message import KEY_LENGTH_MAX
from postroad.core.topology import valid_name
from postroad.engine.checks import checked_key
from postroad.errors import ConfigurationError, InvalidName

Key = str | Callable[[Any], Any]


class EventFacts(msgspec.Struct, frozen=True):
    """``type``: the name on the wire and the routing key. ``key``: a field, or a function of the event; events of one
    key are handled in order. ``topic``: what its groups' queues begin with, and a log broker's topic; None: "events"."""

    type: str
    key: Key | None = None
    topic: str | None = None


KNOWN: WeakKeyDictionary[type, EventFacts] = WeakKeyDictionary()


def facts_of(kind: Any) -> EventFacts | None:
    """What is known of this class; None for one that is no event."""
    return KNOWN.get(kind) if isinstance(kind, type) else None


def make_known(kind: type, facts: EventFacts) -> EventFacts:
    """From now on, instances of exactly this class are events. Raises ConfigurationError for a second, other word on it."""
    before = KNOWN.get(kind)
    if before is not None and before != facts:
        raise ConfigurationError(
            f"{kind.__name__} is the event {described(before)} already, and here {described(facts)}: say it once."
        )
    KNOWN[kind] = facts
    return facts


def described(facts: EventFacts) -> str:
    said = {"key": facts.key, "topic": facts.topic}
    return ", ".join([repr(facts.type), *(f"{name}={value!r}" for name, value in said.items() if value is not None)])


def checked_facts(kind: type, type_name: Any, key: Any, topic: Any) -> EventFacts:
    """Raises InvalidName for a type or topic that cannot be one, ConfigurationError for a key that is not there."""
    return EventFacts(
        valid_type(type_name), checked_event_key(kind, key), None if topic is None else valid_name(topic, "topic")
    )


def valid_type(name: Any) -> str:
    """The name itself. Raises InvalidName for what cannot be a routing key: it would be taken for a pattern."""
    valid_name(name, "event type")
    if any(not word or "*" in word or "#" in word for word in name.split(".")):
        raise InvalidName(
            f"{name!r} is no event type: write words divided by dots, none of them empty and none with * or #: 'order.created'."
        )
    return str(name)


def checked_event_key(kind: type, key: Any) -> Key | None:
    """A text must name a field."""
    fields = field_names(kind)
    if key is None or (callable(key) and not isinstance(key, str)):
        return key
    if not isinstance(key, str):
        raise ConfigurationError(
            f"{kind.__name__}: key={key!r}: write the name of a field, or a function of the event."
        )
    if key not in fields:
        close = difflib.get_close_matches(key, fields, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise ConfigurationError(
            f"{kind.__name__}: key={key!r}: it has no such field{hint} Its fields: {', '.join(fields) or 'none'}. For a key "
            "that is no field, write key=lambda event: ..."
        )
    return key


def field_names(kind: type) -> tuple[str, ...]:
    """Of a Struct, a dataclass, a pydantic model or an attrs class. Raises ConfigurationError for anything else."""
    if issubclass(kind, msgspec.Struct):
        return kind.__struct_fields__
    if dataclasses.is_dataclass(kind):
        return tuple(field.name for field in dataclasses.fields(kind))
    if hasattr(kind, "model_fields") and hasattr(kind, "model_validate"):
        return tuple(kind.model_fields)
    if hasattr(kind, "__attrs_attrs__"):
        return tuple(field.name for field in kind.__attrs_attrs__)
    raise ConfigurationError(
        f"{kind.__name__} cannot be an event, for its fields are not known: inherit postroad.Event, or make it a dataclass, "
        "a msgspec.Struct or a pydantic model (@app.event stands above @dataclass)."
    )


def key_getter(key: Key | None) -> Callable[[Any], str | None] | None:
    """From an event to its key as text."""
    if key is None:
        return None
    get = attrgetter(key) if isinstance(key, str) else key

    def getter(event: Any) -> str | None:
        value = get(event)
        return value if type(value) is str and len(value) <= KEY_LENGTH_MAX else checked_key(value)

    return getter

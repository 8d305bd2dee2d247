"""What a handler of events is called with: its parameter's annotation, held against what it is subscribed to."""

from __future__ import annotations

import collections.abc
import inspect
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

import msgspec

from postroad.core import codec
from postroad.core.message import Message
from postroad.engine.annotations import decodable, describe, names_of
from postroad.engine.parameters import LISTS, sole_parameter
from postroad.errors import ConfigurationError, Undecodable
from postroad.events.cloudevent import CloudEvent, wrapping
from postroad.events.facts import facts_of

Read = Callable[[Message], Any]
DICTS = (dict, collections.abc.Mapping, collections.abc.MutableMapping)


class Reading(msgspec.Struct, frozen=True):
    """``kinds``: what the event's data may be read as, one of them an event; none: nothing was said. ``wrapped``: it comes
    as a CloudEvent. ``words``: the function, for errors."""

    kinds: tuple[Any, ...]
    wrapped: bool
    words: str


def reading_of(function: Callable[..., Any], classes: Sequence[type], patterns: bool, batch: bool) -> Reading:
    """From the function's one parameter. Raises ConfigurationError, with what to write."""
    write = example(function, classes, batch)
    parameter = sole_parameter(function, write)
    words = describe(function, function.__name__)
    written = plain(annotation(function, parameter, classes, words))
    wrapped, found = unwrapped(one_of_list(written, batch, words, write), words)
    kinds = tuple(checked_kind(kind, words, write) for kind in found)
    for kind in classes:
        check_fits(kind, kinds, words, write)
    plain_kind = dict[str, Any] if parameter.annotation is inspect.Parameter.empty else Any
    return Reading(kinds or unsaid(classes, patterns, plain_kind), wrapped, words)


def example(function: Callable[..., Any], classes: Sequence[type], batch: bool) -> str:
    """What to write instead."""
    taken = classes[0].__name__ if classes else "dict[str, Any]"
    return f"`def {function.__name__}(event: {f'list[{taken}]' if batch else taken}) -> None`"


def unsaid(classes: Sequence[type], patterns: bool, plain_kind: Any) -> tuple[Any, ...]:
    """Without an annotation, or with Any: the event's class when there is one, else plain data."""
    return (classes[0],) if len(classes) == 1 and not patterns else (plain_kind,)


def annotation(function: Callable[..., Any], parameter: inspect.Parameter, classes: Sequence[type], words: str) -> Any:
    """As a type; Any for none. Raises ConfigurationError for text that names nothing."""
    found = parameter.annotation
    if found is inspect.Parameter.empty:
        return Any
    if not isinstance(found, str):
        return found
    names = {base.__name__: base for kind in classes for base in kind.__mro__} | names_of(function)
    holder = types.SimpleNamespace(__annotations__={"it": found})
    try:
        return typing.get_type_hints(holder, names, include_extras=True)["it"]
    except Exception as error:
        raise ConfigurationError(
            f"{words}: the annotation {found!r} names nothing that is there at run time ({error}): import it outside "
            "`if TYPE_CHECKING:`, above the handler."
        ) from error


def plain(kind: Any) -> Any:
    """Without Annotated."""
    return plain(get_args(kind)[0]) if get_origin(kind) is Annotated else kind


def one_of_list(kind: Any, batch: bool, words: str, write: str) -> Any:
    """T of list[T] where batches are taken; the kind itself elsewhere."""
    is_list = get_origin(kind) in LISTS or kind is list
    if is_list and not batch:
        raise ConfigurationError(
            f"{words} takes a list, and is called with one event: give batch=100, or write {write}."
        )
    if not batch or kind is Any:
        return kind
    if not is_list:
        raise ConfigurationError(
            f"{words} has batch=..., so it is called with a list, and its parameter is none: write {write}."
        )
    return plain((get_args(kind) or (Any,))[0])


def unwrapped(kind: Any, words: str) -> tuple[bool, list[Any]]:
    """Whether CloudEvents are asked for, and the kinds of their data."""
    members = [member for member in union(kind) if member is not type(None)]
    inside = [cloud_data(member) for member in members]
    if not any(is_cloud for is_cloud, _data in inside):
        return False, [] if kind is Any else members
    if not all(is_cloud for is_cloud, _data in inside):
        raise ConfigurationError(
            f"{words} asks for CloudEvent and for something else: write CloudEvent[A | B], or A | B."
        )
    data = [one for _is_cloud, found in inside for one in union(found)]
    return True, [] if data == [Any] or any(isinstance(one, TypeVar) for one in data) else data


def union(kind: Any) -> tuple[Any, ...]:
    return (
        tuple(plain(one) for one in get_args(kind)) if get_origin(kind) in (Union, types.UnionType) else (plain(kind),)
    )


def cloud_data(kind: Any) -> tuple[bool, Any]:
    if kind is CloudEvent:
        return True, Any
    if get_origin(kind) is CloudEvent:
        return True, plain(get_args(kind)[0])
    return False, kind


def checked_kind(kind: Any, words: str, write: str) -> Any:
    """Raises ConfigurationError for what no JSON can become."""
    if kind in (Any, object):
        return Any
    if decodable(kind) is Any:
        raise ConfigurationError(
            f"{words} takes {name(kind)}, which no event's JSON can become: write {write}, dict[str, Any] or Any."
        )
    return kind


def check_fits(event: type, kinds: Sequence[Any], words: str, write: str) -> None:
    """Raises ConfigurationError when the handler is subscribed to what it does not take."""
    if not kinds or any(fits(event, kind) for kind in kinds):
        return
    facts = facts_of(event)
    assert facts is not None
    raise ConfigurationError(
        f"{words} is subscribed to {event.__name__} and takes {' | '.join(map(name, kinds))}: write {write}, dict[str, Any], Any "
        f"or CloudEvent[{event.__name__}]. To read it as another class, subscribe by its type: "
        f"@app.subscribe({facts.type!r})."
    )


def fits(event: type, kind: Any) -> bool:
    """Whether an event of this class is one of this kind, or can be given as one."""
    return kind is Any or is_dict(kind) or (isinstance(kind, type) and issubclass(event, kind))


def is_dict(kind: Any) -> bool:
    return (get_origin(kind) or kind) in DICTS


def name(kind: Any) -> str:
    return getattr(kind, "__name__", str(kind)) if isinstance(kind, type) else str(kind)


class Readers:
    """How to read each type of event that one handler takes; made at the first of its type. ``classes``: by their type."""

    def __init__(self, reading: Reading, classes: Mapping[str, type]) -> None:
        self.reading = reading
        self.classes = classes
        self.by_type: dict[str, Read] = {}

    def __call__(self, type_name: str) -> Read:
        read = self.by_type.get(type_name)
        if read is None:
            read = self.by_type[type_name] = self.make(type_name)
            if len(self.by_type) > TYPES_MAX:
                self.by_type = {}
        return read

    def data(self, type_name: str) -> Read:
        """How to read the event without its attributes."""
        kind, what = self.kind_for(type_name), f"The event {type_name}"
        decode = codec.decoder(kind)
        return lambda message: codec.decode(decode, message.body, what)

    def make(self, type_name: str) -> Read:
        read = self.data(type_name)
        return wrapping(read) if self.reading.wrapped else read

    def kind_for(self, type_name: str) -> Any:
        """The class of this type's events, where the handler takes it; else what it says of others. Raises Undecodable."""
        kinds, event = self.reading.kinds, self.classes.get(type_name)
        fitting = [kind for kind in kinds if event is not None and fits(event, kind)]
        if event is not None and fitting:
            return event if any(isinstance(kind, type) and not is_dict(kind) for kind in fitting) else fitting[0]
        if len(kinds) == 1:
            return kinds[0]
        same = [kind for kind in kinds if (facts := facts_of(kind)) is not None and facts.type == type_name]
        others = [kind for kind in kinds if facts_of(kind) is None]
        if same or others:
            return (same or others)[0]
        raise Undecodable(
            f"The event {type_name} is none of those that {self.reading.words} takes: {' | '.join(map(name, kinds))}."
        )


TYPES_MAX = 10_000

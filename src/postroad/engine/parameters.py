"""The one parameter of a handler of messages: checked at its declaration, its type known at the first message."""

from __future__ import annotations

import collections.abc
import inspect
from collections.abc import Callable
from typing import Any, get_args, get_origin

from postroad.engine.annotations import EMPTY, decodable, describe, resolved
from postroad.engine.names import module_of
from postroad.errors import ConfigurationError

LISTS = (list, collections.abc.Sequence, collections.abc.Iterable, collections.abc.Collection)


def handler_name(function: Callable[..., Any], given: str | None) -> str:
    """As given, else where the function is written."""
    return given or f"{module_of(function)}.{function.__qualname__}"


def same_place(one: Callable[..., Any], other: Callable[..., Any]) -> bool:
    """Whether both are written at one place: a module that was imported once more declares the same again."""
    return place(one) == place(other)


def place(function: Callable[..., Any]) -> tuple[str, str]:
    """File and name; at a prompt or in a notebook, where each cell is a file of its own, the name alone."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    file = "" if code is None or function.__module__ == "__main__" else code.co_filename
    return file, function.__qualname__


def sole_parameter(function: Callable[..., Any], write: str) -> inspect.Parameter:
    """The parameter that takes the message. Raises ConfigurationError, showing what to ``write``."""
    parameters = list(inspect.signature(function).parameters.values())
    takers = [one for one in parameters if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)]
    required = [one for one in parameters if one.default is EMPTY and one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)]
    words = describe(function, function.__name__)
    if not takers:
        raise ConfigurationError(f"{words} takes nothing, and is called with each message: write {write}.")
    if required not in ([], takers[:1]):
        raise ConfigurationError(
            f"{words} asks for {len(required)} arguments, and is called with one, the message: write {write}. What else it "
            "needs comes from `current` (current.message, current.state), or has a default."
        )
    return takers[0]


def written_type(function: Callable[..., Any], parameter: inspect.Parameter) -> Any:
    """The annotation as a type, whatever it is; Any for none."""
    return resolved(function, parameter.annotation)


def readable(kind: Any, words: str) -> Any:
    """The type, which JSON can be checked against. Raises ConfigurationError where it cannot."""
    found = decodable(kind)
    if found is Any and kind not in (Any, object):
        raise ConfigurationError(
            f"{words}: {kind!r} cannot be read from JSON. Use plain data, a msgspec.Struct, a dataclass, a pydantic model, bytes "
            "(the body as it is) or Message (with its envelope)."
        )
    return found


def item_type(kind: Any, words: str, write: str) -> Any:
    """T of list[T]. Raises ConfigurationError for an annotation that is no list."""
    if kind is Any or kind is list:
        return Any
    if get_origin(kind) not in LISTS:
        raise ConfigurationError(f"{words} has batch=..., so it is called with a list, and its parameter is no list: write {write}.")
    return (get_args(kind) or (Any,))[0]

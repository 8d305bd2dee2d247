"""What a function's annotations say about the JSON of its arguments."""

from __future__ import annotations

import collections.abc
import inspect
import sys
import types
import typing
from collections.abc import Callable, Iterator
from typing import Any, Optional, get_args, get_origin

from postroad.core import codec

EMPTY = inspect.Parameter.empty


def annotation_of(function: Callable[..., Any], parameter: inspect.Parameter) -> Any:
    """The parameter's type as far as JSON can be checked against it; Any where it cannot."""
    found = resolved(function, parameter.annotation)
    if parameter.default is None and found is not Any:
        found = Optional[found]  # noqa: UP045 (`found | None` fails for annotations that are text)
    return decodable(found)


def return_annotation(function: Callable[..., Any]) -> Any:
    """The return type of the function, or of the coroutine it makes; Any where JSON cannot be checked against it."""
    found = inspect.signature(function).return_annotation
    return decodable(resolved(function, found))


def resolved(function: Callable[..., Any], annotation: Any) -> Any:
    """Text becomes the type it names; Any when it names nothing that exists at run time."""
    if annotation is EMPTY:
        return Any
    if not isinstance(annotation, str):
        return annotation
    holder = types.SimpleNamespace(__annotations__={"it": annotation})
    try:
        return typing.get_type_hints(holder, names_of(function), include_extras=True)["it"]
    except Exception:
        return Any


def names_of(function: Callable[..., Any]) -> dict[str, Any]:
    """The function's module, and what it closes over: a class defined beside it in a test."""
    names = dict(getattr(inspect.unwrap(function), "__globals__", {}))
    code, cells = getattr(function, "__code__", None), getattr(function, "__closure__", None)
    for name, cell in zip(code.co_freevars if code else (), cells or (), strict=False):
        try:
            names[name] = cell.cell_contents
        except ValueError:
            continue
    return names


def decodable(annotation: Any) -> Any:
    """The annotation itself when msgspec, or pydantic behind it, can read it from JSON; else Any."""
    if any(opaque(part) for part in parts(annotation)):
        return Any
    try:
        codec.decoder(annotation)
    except Exception:
        return Any
    return annotation


def parts(annotation: Any) -> Iterator[Any]:
    """The annotation and everything it is made of."""
    yield annotation
    for part in get_args(annotation):
        if get_origin(annotation) is not typing.Literal:
            yield from parts(part)


def opaque(kind: Any) -> bool:
    """A class that neither msgspec nor pydantic reads from JSON."""
    origin = get_origin(kind) or kind
    if origin in (object, collections.abc.Callable):
        return True
    if not isinstance(origin, type) or hasattr(origin, "model_validate"):
        return False
    return is_custom(kind)


def is_custom(kind: Any) -> bool:
    import msgspec.inspect

    try:
        return isinstance(msgspec.inspect.type_info(kind), msgspec.inspect.CustomType)
    except Exception:
        return False


def describe(function: Callable[..., Any], name: str) -> str:
    """``name(path: str, width: int)``: how a signature is shown in errors."""
    signature = inspect.signature(function)
    parameters = [parameter.replace(annotation=as_written(parameter.annotation)) for parameter in signature.parameters.values()]
    return f"{name}{signature.replace(parameters=parameters, return_annotation=EMPTY)}"


def as_written(annotation: Any) -> Any:
    """Without the quotes that `from __future__ import annotations` would show."""
    return Written(annotation) if isinstance(annotation, str) else annotation


class Written(str):
    __slots__ = ()
    __repr__ = str.__str__


def loaded(module: str) -> Any:
    """The module if it is imported already; never imports."""
    return sys.modules.get(module)

"""A task's arguments: fitted to its signature when it is called, encoded, and decoded by its annotations.

The body is ``[args, kwargs]``. We send positional arguments as far as they go, for that decodes fastest; other
producers may name them.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import msgspec

from postroad.core import codec
from postroad.core.codec import ENCODER
from postroad.core.message import BODY_BYTES_MAX
from postroad.engine.annotations import annotation_of, describe
from postroad.errors import ArgumentsDoNotFit, Undecodable
from postroad.tasks.decoding import quick

Bound = tuple[tuple[Any, ...], dict[str, Any]]

POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
NO_KWARGS: dict[str, Any] = {}
UNBOUNDED = 1 << 30

RAWS = codec.decoder(tuple[list[msgspec.Raw], dict[str, msgspec.Raw]])


class Arguments:
    """Of one function. Made at its first use, when the names in its annotations exist."""

    def __init__(self, function: Callable[..., Any], name: str) -> None:
        self.function = function
        self.name = name
        self.signature = inspect.signature(function)
        parameters = list(self.signature.parameters.values())
        self.positional = [parameter for parameter in parameters if parameter.kind in POSITIONAL]
        self.names = [parameter.name for parameter in self.positional]
        self.types = {parameter.name: annotation_of(function, parameter) for parameter in parameters}
        self.by_either = [] if any(p.kind is p.POSITIONAL_ONLY for p in parameters) else self.names
        self.required = sum(parameter.default is parameter.empty for parameter in self.positional)
        self.extra = next((p.name for p in parameters if p.kind is p.VAR_POSITIONAL), None)
        self.extra_named = next((p.name for p in parameters if p.kind is p.VAR_KEYWORD), None)
        self.named_required = any(p.kind is p.KEYWORD_ONLY and p.default is p.empty for p in parameters)
        self.positional_max = UNBOUNDED if self.extra else len(self.positional)
        self.decoders: dict[str, Callable[[Any], Any]] = {}
        self.fast, self.probe = quick([self.types[name] for name in self.names], self.required, self.types.get(self.extra or ""))

    @property
    def words(self) -> str:
        """The signature as text."""
        return describe(self.function, self.name)

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Bound:
        """The same call with as much as possible by position. Raises ArgumentsDoNotFit."""
        if not kwargs and self.required <= len(args) <= self.positional_max and not self.named_required:
            return args, NO_KWARGS
        named = dict(kwargs)
        positional = list(args)
        for name in self.by_either[len(args) :]:
            if name not in named:
                break
            positional.append(named.pop(name))
        if named or not self.required <= len(positional) <= self.positional_max or self.named_required:
            self.check(args, kwargs)
        return tuple(positional), named

    def check(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        try:
            self.signature.bind(*args, **kwargs)
        except TypeError as error:
            raise ArgumentsDoNotFit(f"The arguments do not fit {self.words}: {error}.") from None

    def lacks_first(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        """Whether they fit once one more is put before them."""
        try:
            self.signature.bind(None, *args, **kwargs)
        except TypeError:
            return False
        return True

    def value(self, name: str, bound: Bound) -> Any:
        """What this call gives the parameter so named, or its default."""
        args, kwargs = bound
        index = self.names.index(name) if name in self.names else len(args)
        return args[index] if index < len(args) else kwargs.get(name, self.signature.parameters[name].default)

    def encode(self, bound: Bound, size_max_bytes: int = BODY_BYTES_MAX) -> bytes:
        """The body, proved to be readable by the worker. Raises Unserialisable, TooLarge or ArgumentsDoNotFit."""
        try:
            body = ENCODER.encode(bound)
            _args, raws = self.probe(body)
        except Exception:
            return self.encode_slowly(bound, size_max_bytes)
        if raws or len(body) > size_max_bytes or (b"null" in body and codec.has_not_finite(bound)):
            return self.encode_slowly(bound, size_max_bytes)
        return body

    def encode_slowly(self, bound: Bound, size_max_bytes: int) -> bytes:
        """The same, argument by argument, to say what is wrong with which."""
        args, kwargs = bound
        for name, value in [*((self.name_at(index), value) for index, value in enumerate(args)), *kwargs.items()]:
            codec.encode(value, f"Argument {name!r} of {self.words}", size_max_bytes)
        body = codec.encode(bound, f"The call of {self.name}", size_max_bytes)
        try:
            self.decode_slowly(body)
        except Undecodable as error:
            raise ArgumentsDoNotFit(str(error)) from error
        return body

    def decode(self, body: bytes) -> Bound:
        """Arguments for the function. Raises Undecodable."""
        try:
            args, raws = self.fast(body)
        except Exception:
            return self.decode_slowly(body)
        return (args, NO_KWARGS) if not raws else self.decode_slowly(body)

    def decode_slowly(self, body: bytes) -> Bound:
        """One argument at a time: given by name, left out, or wrong."""
        positional, named = codec.decode(RAWS, body, f"The body of a {self.name} message (it should be [args, kwargs])")
        args = tuple(self.decode_one(self.name_at(index), raw) for index, raw in enumerate(positional))
        kwargs = {name: self.decode_one(name, raw) for name, raw in named.items()}
        try:
            self.signature.bind(*args, **kwargs)
        except TypeError as error:
            raise Undecodable(f"The arguments in the message do not fit {self.words}: {error}.") from None
        return args, kwargs

    def name_at(self, index: int) -> str:
        if index < len(self.names):
            return self.names[index]
        return self.extra or f"number {index + 1}"

    def decode_one(self, name: str, raw: msgspec.Raw) -> Any:
        decode = self.decoders.get(name)
        if decode is None:
            kind = self.types.get(name, self.types.get(self.extra_named or "", Any))
            decode = self.decoders[name] = codec.decoder(kind)
        try:
            return decode(raw)
        except Exception as error:
            raise Undecodable(f"Argument {name!r} of {self.words} cannot be read: {error}") from error

"""The quick way from a body to arguments: one typed msgspec decoder for the whole of ``[args, kwargs]``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Union

import msgspec
from msgspec import UNSET, Raw, UnsetType

from postroad.core import codec

Fast = Callable[[bytes], tuple[tuple[Any, ...], dict[str, Raw]]]
"""Positional arguments, decoded; those by name still raw. Raises any error for a body that is not of this form."""


Probe = Callable[[bytes], tuple[Any, dict[str, Raw]]]
"""The same for who only wants to know that it can be read, and by which names: the arguments may have any form."""


class Quick(NamedTuple):
    """Two ways over one decoder."""

    decode: Fast
    probe: Probe


def quick(types: Sequence[Any], required: int, extra: Any = None) -> Quick:
    """For these positional parameters, the first ``required`` of them without default; ``extra``: the type of ``*args``."""
    if extra is not None:
        whole = refuses if types else codec.decoder(body_type(tuple[extra, ...]))
        return Quick(whole, whole)
    if required == len(types):
        whole = codec.decoder(body_type(fixed(types)))
        return Quick(whole, whole)
    return with_optional(types, required)


def fixed(types: Sequence[Any]) -> Any:
    return tuple.__class_getitem__(tuple(types))


def optional(kind: Any) -> Any:
    return Union[kind, UnsetType]  # noqa: UP007 (`|` fails for annotations that are text)


def body_type(args: Any) -> Any:
    return tuple[args, dict[str, Raw]]


def refuses(body: bytes) -> tuple[tuple[Any, ...], dict[str, Raw]]:
    """No quick way for this signature."""
    raise TypeError("decoded argument by argument")


def with_optional(types: Sequence[Any], required: int) -> Quick:
    """Arguments left out at the end stay out: the function's own defaults are those of the code that runs."""
    must = [(f"a{index}", kind) for index, kind in enumerate(types[:required])]
    may = [(f"a{index + required}", optional(kind), UNSET) for index, kind in enumerate(types[required:])]
    holder = msgspec.defstruct("Args", [*must, *may], array_like=True, forbid_unknown_fields=True)
    decode = codec.decoder(body_type(holder))
    astuple = msgspec.structs.astuple

    def decode_given(body: bytes) -> tuple[tuple[Any, ...], dict[str, Raw]]:
        args, named = decode(body)
        given = astuple(args)
        while given and given[-1] is UNSET:
            given = given[:-1]
        return given, named

    return Quick(decode_given, decode)

"""JSON in and out, with the limits and the clear errors. msgspec does the work."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from postroad.core.message import BODY_BYTES_MAX, HEADERS_BYTES_MAX
from postroad.errors import TooLarge, Undecodable, Unserialisable

DEPTH_MAX = 200


def encode_foreign(value: Any) -> Any:
    """Types msgspec does not know: pydantic models by their own dump."""
    dump = getattr(type(value), "model_dump", None)
    if dump is not None:
        return dump(value, mode="json")
    raise TypeError(f"no JSON form for {type(value).__module__}.{type(value).__qualname__}")


def decode_foreign(kind: type[Any], value: Any) -> Any:
    """Types msgspec does not know: pydantic models by their own validation; else the value as it is, if it fits."""
    validate = getattr(kind, "model_validate", None)
    if validate is not None:
        return validate(value)
    if isinstance(value, kind):
        return value
    raise TypeError(f"no way from JSON to {kind!r}")


ENCODER = msgspec.json.Encoder(enc_hook=encode_foreign)


def encode(value: Any, what: str, size_max_bytes: int = BODY_BYTES_MAX) -> bytes:
    """JSON bytes. Raises Unserialisable with the path to the value, TooLarge above the limit."""
    try:
        body = ENCODER.encode(value)
    except (TypeError, ValueError, RecursionError, OverflowError, UnicodeEncodeError) as error:
        raise unserialisable(value, what, error) from error
    if b"null" in body and has_not_finite(value):
        raise unserialisable(value, what, ValueError("JSON has no NaN and no infinity"))
    if len(body) > size_max_bytes:
        raise TooLarge(
            f"{what} has {len(body):,} bytes, over the limit of {size_max_bytes:,}: store it elsewhere and send a reference."
        )
    return body


def decoder(kind: Any) -> Callable[[bytes | str], Any]:
    """A decoder for an annotation; TypeError when msgspec cannot make one."""
    return msgspec.json.Decoder(kind, dec_hook=decode_foreign).decode


def decode(decode_body: Callable[[bytes | str], Any], body: bytes | str, what: str) -> Any:
    """The value. Raises Undecodable with the decoder's words."""
    try:
        return decode_body(body)
    except (msgspec.DecodeError, ValueError, TypeError, RecursionError) as error:
        raise Undecodable(f"{what} cannot be read: {error}") from error


def unserialisable(value: Any, what: str, error: Exception) -> Unserialisable:
    path, culprit = path_to_culprit(value)
    return Unserialisable(
        f"{what} has no JSON form at {path or 'its top'}: {type(culprit).__module__}.{type(culprit).__qualname__} ({error}). "
        "Send plain data, a dataclass, a msgspec.Struct or a pydantic model."
    )


def path_to_culprit(value: Any, depth: int = 0) -> tuple[str, Any]:
    """The path to the innermost value that cannot be encoded on its own."""
    if depth < DEPTH_MAX:
        for step, part in parts(value):
            if not encodes(part):
                inner, culprit = path_to_culprit(part, depth + 1)
                return step + inner, culprit
    return "", value


def parts(value: Any) -> list[tuple[str, Any]]:
    if isinstance(value, Mapping):
        return [(f"[{key!r}]", part) for key, part in value.items()]
    if isinstance(value, list | tuple | set | frozenset):
        return [(f"[{index}]", part) for index, part in enumerate(value)]
    if isinstance(value, msgspec.Struct):
        return [(f".{name}", getattr(value, name)) for name in value.__struct_fields__]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return [(f".{field.name}", getattr(value, field.name)) for field in dataclasses.fields(value)]
    return []


def encodes(value: Any) -> bool:
    try:
        body = ENCODER.encode(value)
    except Exception:
        return False
    return b"null" not in body or not has_not_finite(value)


def has_not_finite(value: Any) -> bool:
    """Whether a NaN or an infinity is in it, which the encoder would write as null: another value, without a word."""
    if isinstance(value, float):
        return not math.isfinite(value)
    return any(map(has_not_finite, inside(value)))


def inside(value: Any) -> Iterable[Any]:
    if isinstance(value, Mapping):
        return value.values()
    if isinstance(value, list | tuple | set | frozenset):
        return value
    return [part for _step, part in parts(value)]


def checked_headers(headers: Mapping[Any, Any]) -> dict[str, str]:
    """The headers as text. Raises Unserialisable for what is no text, TooLarge above the limit."""
    for name, value in headers.items():
        if not isinstance(name, str) or not isinstance(value, str):
            raise Unserialisable(f"Header {name!r} is {type(value).__name__}: headers are text; convert it with str().")
    size = sum(text_bytes(name, name) + text_bytes(name, value) for name, value in headers.items())
    if size > HEADERS_BYTES_MAX:
        raise TooLarge(
            f"The headers have {size:,} bytes, over the limit of {HEADERS_BYTES_MAX:,}: put the data in the body."
        )
    return dict(headers)


def text_bytes(name: str, text: str) -> int:
    """Bytes of the text in UTF-8, which every engine sends. Raises Unserialisable where there is no such form."""
    try:
        return len(text.encode())
    except UnicodeEncodeError as error:
        raise Unserialisable(f"Header {name!r} holds half a character, which no engine can carry: {error}.") from error

"""Bodies: JSON of anything that has a JSON form, or bytes as they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from postroad.core import codec
from postroad.core.message import JSON, Message
from postroad.engine.annotations import decodable
from postroad.errors import InvalidOption, TooLarge, Undecodable

OCTETS = "application/octet-stream"

Body = tuple[bytes, str]
"""The bytes and their content type."""


def writer(what: str, schema: Any) -> Callable[[Any, int], Body]:
    """How bodies are written. ``what`` names them in errors; ``schema``: the type they must have; None for any.

    Raises InvalidOption for a schema that JSON cannot be checked against.
    """
    if schema is None or schema is Any:
        return lambda body, size_max_bytes: encoded(body, what, size_max_bytes)
    if schema is bytes:
        return lambda body, size_max_bytes: only_octets(body, what, size_max_bytes)
    probe = decoder_of(schema)

    def checked(body: Any, size_max_bytes: int) -> Body:
        content = encoded(body, what, size_max_bytes)[0]
        codec.decode(probe, content, f"{what} does not fit its schema, {name_of(schema)}; it")
        return content, JSON

    return checked


def decoder_of(schema: Any) -> Callable[[bytes | str], Any]:
    if decodable(schema) is Any:
        raise InvalidOption(
            f"schema={schema!r}: JSON cannot be checked against it. Give a msgspec.Struct, a dataclass, a pydantic model, bytes, "
            "or a type of plain data, as dict[str, int]."
        )
    return codec.decoder(schema)


def encoded(body: Any, what: str, size_max_bytes: int) -> Body:
    """Raises Unserialisable or TooLarge."""
    if isinstance(body, bytes | bytearray | memoryview):
        return octets(bytes(body), what, size_max_bytes), OCTETS
    return codec.encode(body, what, size_max_bytes), JSON


def octets(body: bytes, what: str, size_max_bytes: int) -> bytes:
    if len(body) > size_max_bytes:
        raise TooLarge(
            f"{what} has {len(body):,} bytes, over the limit of {size_max_bytes:,}: store it elsewhere and send a reference."
        )
    return body


def only_octets(body: Any, what: str, size_max_bytes: int) -> Body:
    if not isinstance(body, bytes | bytearray | memoryview):
        raise Undecodable(f"{what} is {type(body).__name__}, and its schema says bytes: encode it first.")
    return encoded(body, what, size_max_bytes)


def name_of(schema: Any) -> str:
    return schema.__name__ if isinstance(schema, type) else str(schema)


Read = Callable[[Message], Any]


def reader(kind: Any, schema: Any, what: str) -> Read:
    """How a message becomes what its handler takes: ``kind`` is the handler's annotation, Any for none.

    `Message`: the envelope; `bytes`: the body as it is; Any: by the ``schema``, else JSON where the message says that it is
    JSON, else bytes. The reader raises Undecodable.
    """
    if kind is Message:
        return lambda message: message
    if kind is Any and schema is not None:
        kind = schema
    if kind is bytes:
        return lambda message: message.body
    if kind is Any:
        decode_any = codec.decoder(Any)
        return lambda message: codec.decode(decode_any, message.body, what) if message.content_type == JSON else message.body
    decode = codec.decoder(kind)
    return lambda message: codec.decode(decode, message.body, what)

"""An event with its attributes, as CloudEvents 1.0 names them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Generic, TypeVar

import msgspec

from postroad.core.message import JSON, Message
from postroad.engine.attributes import attributes

T = TypeVar("T")


class CloudEvent(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """What a handler asks for with ``CloudEvent[OrderCreated]``: the event is ``data``, beside who published it, and when.

    ``time`` is aware. ``headers``: those the publisher gave. ``extensions``: further CloudEvents attributes by name.
    """

    id: str
    source: str
    type: str
    time: datetime
    data: T
    subject: str | None = None
    specversion: str = "1.0"
    datacontenttype: str = JSON
    headers: Mapping[str, str] = {}
    extensions: Mapping[str, str] = {}


def wrapping(read: Callable[[Message], Any]) -> Callable[[Message], CloudEvent[Any]]:
    """A reader of the data becomes one of the whole."""

    def read_whole(message: Message) -> CloudEvent[Any]:
        found = attributes(message)
        return CloudEvent(
            id=found.id,
            source=found.source,
            type=found.type,
            time=found.time,
            data=read(message),
            subject=found.subject,
            datacontenttype=message.content_type,
            headers=found.headers,
            extensions=found.extensions,
        )

    return read_whole

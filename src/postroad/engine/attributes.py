"""An event's CloudEvents attributes, as they travel: headers beside the body (binary mode)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec

from postroad.core.message import Message
from postroad.errors import Undecodable

TYPE, SOURCE, SUBJECT, TIME = "ce_type", "ce_source", "ce_subject", "ce_time"
PREFIX = "ce_"
OWN = frozenset({TYPE, SOURCE, SUBJECT, TIME, "ce_id", "ce_specversion", "ce_datacontenttype"})
"""Headers that publishing writes itself."""


class EventAttributes(msgspec.Struct, frozen=True):
    """Who published what, when. ``time`` is aware; ``headers``: the publisher's own; ``extensions``: other ce_ attributes."""

    id: str
    source: str
    type: str
    time: datetime
    subject: str | None = None
    headers: Mapping[str, str] = {}
    extensions: Mapping[str, str] = {}


def attributes(message: Message) -> EventAttributes:
    """Those of an event's message. Raises Undecodable for a time that is none."""
    headers = message.headers
    return EventAttributes(
        message.id,
        headers.get(SOURCE, ""),
        headers[TYPE],
        time_of(message),
        headers.get(SUBJECT),
        own_headers(headers),
        extensions(headers),
    )


def time_of(message: Message) -> datetime:
    """When it happened, as the publisher says; else when it was published."""
    text = message.headers.get(TIME)
    if text is None:
        return datetime.fromtimestamp(message.queued_at, UTC)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise Undecodable(
            f"The event's {TIME} header is no time: {text!r:.60} (RFC 3339: 2026-01-31T12:00:00Z)."
        ) from error
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def own_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Without those of CloudEvents and of the engine."""
    return {name: value for name, value in headers.items() if not name.startswith((PREFIX, "postroad-"))}


def extensions(headers: Mapping[str, str]) -> dict[str, str]:
    """CloudEvents attributes that are not of its core, by their names without the prefix."""
    return {
        name.removeprefix(PREFIX): value
        for name, value in headers.items()
        if name.startswith(PREFIX) and name not in OWN
    }


def written(moment: datetime) -> str:
    """A time as the header has it."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")

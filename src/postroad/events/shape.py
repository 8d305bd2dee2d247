"""From an event to a message. Whatever does not change from one event of a type to the next is made once."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime, tzinfo
from typing import Any, NoReturn

import msgspec

from postroad.core import codec
from postroad.core.codec import ENCODER
from postroad.core.durations import Duration, seconds
from postroad.core.message import JSON, PRIORITY_DEFAULT, Address, Message, Send
from postroad.core.routing import EVENTS
from postroad.engine.attributes import OWN, SOURCE, SUBJECT, TIME, TYPE, written
from postroad.engine.checks import checked_id, checked_priority, user_headers
from postroad.engine.identity import new_id
from postroad.errors import InvalidOption, Unserialisable
from postroad.events.facts import EventFacts, key_getter

TEXT_MAX = 1_000


class Publication(msgspec.Struct, frozen=True, kw_only=True):
    """What `publish` takes beside the event."""

    id: str | None = None
    source: str | None = None
    time: datetime | None = None
    subject: str | None = None
    headers: Mapping[str, str] | None = None
    delay: Duration | None = None
    priority: int | None = None
    mandatory: bool = False


class Shape:
    """Of one type of events, published by one app. ``announced``: the store has been told of the type."""

    __slots__ = ("address", "announced", "body_bytes_max", "facts", "headers", "key", "kind", "probe", "what", "zone")

    def __init__(self, kind: type, facts: EventFacts, source: str, zone: tzinfo, body_bytes_max: int) -> None:
        self.kind = kind
        self.facts = facts
        self.zone = zone
        self.body_bytes_max = body_bytes_max
        self.address = Address(facts.type, EVENTS)
        self.headers = {TYPE: facts.type, SOURCE: source}
        self.key = key_getter(facts.key)
        self.probe = codec.decoder(kind)
        self.what = f"The event {kind.__name__}"
        self.announced = False

    def send(self, event: Any) -> Send:
        """The message of an event of which nothing more is said. Raises Unserialisable or TooLarge."""
        body = self.body(event)
        key = self.key
        return Send(
            self.address,
            Message(
                new_id(),
                body,
                JSON,
                self.headers,
                None if key is None else key(event),
                PRIORITY_DEFAULT,
                None,
                None,
                time.time(),
            ),
        )

    def send_with(self, event: Any, said: Publication) -> Send:
        """The message of an event with attributes of its own. Raises InvalidOption too."""
        message = self.send(event).message
        changed = msgspec.structs.replace(
            message,
            id=checked_id(said.id) or message.id,
            dedupe=said.id is not None,
            headers=self.headers_with(said),
            priority=PRIORITY_DEFAULT if said.priority is None else checked_priority(said.priority),
            due_at=None if said.delay is None else message.queued_at + seconds(said.delay, "delay"),
        )
        return Send(self.address, changed, said.mandatory)

    def headers_with(self, said: Publication) -> dict[str, str]:
        given = {SOURCE: checked_text("source", said.source), SUBJECT: checked_text("subject", said.subject)}
        if said.time is not None:
            given[TIME] = written(self.moment(said.time))
        attributes = {name: value for name, value in given.items() if value is not None}
        return {**checked_user_headers(said.headers), **self.headers, **attributes}

    def moment(self, given: Any) -> datetime:
        if not isinstance(given, datetime):
            raise InvalidOption(f"time={given!r:.80}: write a datetime: when it happened.")
        return given if given.tzinfo is not None else given.replace(tzinfo=self.zone)

    def body(self, event: Any) -> bytes:
        """Its JSON, proved to be readable as this type by whoever subscribed."""
        try:
            body = ENCODER.encode(event)
            self.probe(body)
        except Exception as error:
            self.explain(event, error)
        if len(body) > self.body_bytes_max or (b"null" in body and codec.has_not_finite(event)):
            return codec.encode(event, self.what, self.body_bytes_max)
        return body

    def explain(self, event: Any, error: Exception) -> NoReturn:
        """It has no JSON form, or one that its own type refuses."""
        codec.encode(event, self.what, self.body_bytes_max)
        raise Unserialisable(
            f"{self.what} holds a value that its own type refuses, so no subscriber could read it: {error}. Its class says what "
            "each field is; nothing was published."
        ) from error


def checked_text(option: str, value: Any) -> str | None:
    """One line of text, or None."""
    if value is not None and not (isinstance(value, str) and 0 < len(value) <= TEXT_MAX and value.isprintable()):
        raise InvalidOption(f"{option}={value!r:.80}: write 1 to {TEXT_MAX:,} printable characters.")
    return value


def checked_user_headers(headers: Mapping[str, str] | None) -> dict[str, str]:
    """Raises InvalidOption for what has an option of its own."""
    checked = user_headers(headers)
    for name in checked:
        if name.lower() in OWN:
            raise InvalidOption(
                f"headers={{{name!r}: ...}}: the event's own attributes are options of publish: id, source, time, subject. Others "
                "of CloudEvents may be given as ce_<name>."
            )
    return checked

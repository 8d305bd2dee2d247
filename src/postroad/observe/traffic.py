"""Events as they are seen from outside: which types there are, which groups take them, what went to nobody."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from postroad.core.routing import EVENTS, matches
from postroad.core.topology import Topology
from postroad.core.writes import Document
from postroad.engine.records import DECODE as DECODE_RECORD
from postroad.events.announcing import DECODE as DECODE_TYPE
from postroad.events.announcing import EventTypeDocument
from postroad.ports.driver import QueueDepth

PREFIX = f"{EVENTS.partition('.')[2]}."


class GroupView(msgspec.Struct, frozen=True):
    """A group of subscribers: one durable copy of every event of these ``patterns``, in a queue of its own.

    ``consumers``: processes that take from it now. ``temporary``: it goes with its process (broadcast, tail).
    """

    group: str
    queue: str
    patterns: tuple[str, ...]
    consumers: int
    ready: int
    in_flight: int
    dead: int
    oldest_age_s: float | None
    temporary: bool = False


class EventTypeView(msgspec.Struct, frozen=True):
    """A type of event: published by some app, or named by a group's pattern without wildcards.

    ``groups``: those that take it. The rest is of the app that published it, None and {} when none has: ``source``, its
    name; ``first_seen_at``, wall seconds; ``key``, by which events are in order; ``schema``, JSON Schema of the body.
    """

    type: str
    groups: tuple[str, ...]
    source: str | None = None
    first_seen_at: float | None = None
    key: str | None = None
    topic: str | None = None
    schema: dict[str, Any] = {}


class UnroutedView(msgspec.Struct, frozen=True):
    """What an exchange could give to nobody; kept for a day. ``encoding``: "base64" when the body is no text."""

    id: str
    exchange: str
    routing_key: str
    headers: dict[str, str]
    body: str
    at: float
    encoding: str | None = None


class UnroutedDocument(msgspec.Struct, frozen=True):
    exchange: str
    routing_key: str
    headers: dict[str, str]
    body: str
    at: float
    encoding: str | None = None


def groups(topology: Topology, depths: Iterable[QueueDepth]) -> list[GroupView]:
    """Every queue that holds a group's events, by name."""
    patterns = bound(topology)
    temporary = {queue.name for queue in topology.queues if queue.temporary}
    return [
        GroupView(
            depth.queue.removeprefix(PREFIX),
            depth.queue,
            patterns.get(depth.queue, ()),
            depth.consumers,
            depth.ready,
            depth.in_flight,
            depth.dead,
            depth.oldest_age_s,
            depth.queue in temporary,
        )
        for depth in depths
        if depth.carries == "events" or depth.queue in patterns
    ]


def bound(topology: Topology) -> dict[str, tuple[str, ...]]:
    """The patterns by which each queue gets events."""
    found: dict[str, tuple[str, ...]] = {}
    for binding in topology.bindings:
        if binding.exchange == EVENTS and not binding.to_exchange:
            found[binding.to] = (*found.get(binding.to, ()), binding.pattern)
    return found


def event_types(documents: Iterable[Document], known: Sequence[GroupView]) -> list[EventTypeView]:
    """By name: those that were published, and those that somebody waits for."""
    seen = {document.key: DECODE_TYPE(document.value) for document in documents}
    named = {pattern for group in known for pattern in group.patterns if "*" not in pattern and "#" not in pattern}
    return [event_type(type, takers(type, known), seen.get(type)) for type in sorted(named | set(seen))]


def event_type(type: str, groups: tuple[str, ...], seen: EventTypeDocument | None) -> EventTypeView:
    if seen is None:
        return EventTypeView(type, groups)
    return EventTypeView(type, groups, seen.source, seen.first_seen_at, seen.key, seen.topic, seen.schema)


def takers(type: str, known: Sequence[GroupView]) -> tuple[str, ...]:
    """The groups with a pattern that takes it."""
    return tuple(group.group for group in known if any(matches(pattern, type) for pattern in group.patterns))


def unrouted(document: Document) -> UnroutedView:
    kept = DECODE_UNROUTED(document.value)
    return UnroutedView(document.key, *(getattr(kept, name) for name in kept.__struct_fields__))


class RecordView(msgspec.Struct, frozen=True):
    """What left a queue without a dead letter, and not by success. ``state``: DROPPED, DUPLICATE or FAILED.

    Times are wall-clock seconds.
    """

    id: str
    source: str
    state: str
    reason: str
    attempt: int
    queued_at: float
    ended_at: float
    worker: str
    headers: dict[str, str]


def record(document: Document) -> RecordView:
    kept = DECODE_RECORD(document.value)
    id, _, _queue = document.key.partition(" ")
    return RecordView(id, *(getattr(kept, name) for name in kept.__struct_fields__))


DECODE_UNROUTED = msgspec.json.Decoder(UnroutedDocument).decode

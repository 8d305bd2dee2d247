"""Which types of events there are: told to the store by the first publish of each, in each process."""

from __future__ import annotations

import time
from typing import Any

import msgspec

from postroad.core.writes import Put
from postroad.engine.route import Owner
from postroad.events.facts import EventFacts
from postroad.ports.store import Store

KIND = "event-type"


class EventTypeDocument(msgspec.Struct, frozen=True):
    """One type. ``source``: the app that published it first; ``key``: the field, or the function's name; ``schema``: JSON
    Schema of the body, {} when it is not known. Times are wall-clock seconds."""

    source: str
    first_seen_at: float
    key: str | None = None
    topic: str | None = None
    schema: dict[str, Any] = {}


ENCODE = msgspec.json.Encoder().encode
DECODE = msgspec.json.Decoder(EventTypeDocument).decode


async def announce(owner: Owner, kind: type, facts: EventFacts) -> None:
    """Write it down, when it is new or has changed. On the portal's loop."""
    store = await owner.connection.ensure()
    if not isinstance(store, Store):
        return
    present = [DECODE(document.value) for document in await store.get(KIND, [facts.type])]
    document = EventTypeDocument(owner.name, time.time(), key_words(facts), facts.topic, schema(kind))
    if present:
        document = msgspec.structs.replace(document, source=present[0].source, first_seen_at=present[0].first_seen_at)
    if [document] != present:
        await store.commit([Put(KIND, facts.type, ENCODE(document).decode())])


def key_words(facts: EventFacts) -> str | None:
    return facts.key if isinstance(facts.key, str | None) else getattr(facts.key, "__qualname__", repr(facts.key))


def schema(kind: Any) -> dict[str, Any]:
    """JSON Schema of the class; {} where it cannot be told."""
    try:
        own = getattr(kind, "model_json_schema", None)
        found: dict[str, Any] = own() if own is not None else msgspec.json.schema(kind)
    except Exception:
        return {}
    return found

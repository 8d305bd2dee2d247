"""The base class of events: a frozen msgspec Struct that knows its type's name."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, dataclass_transform

import msgspec

from postroad.errors import ConfigurationError
from postroad.events.facts import checked_facts, facts_of, make_known


class EventMeta(msgspec.StructMeta):
    """Takes the class options ``type``, ``key`` and ``topic``; all others are msgspec's."""

    def __new__(
        mcls,
        name: str,
        bases: tuple[type, ...],
        namespace: dict[str, Any],
        *,
        type: str | None = None,
        key: str | Callable[[Any], Any] | None = None,
        topic: str | None = None,
        **options: Any,
    ) -> EventMeta:
        if options.get("frozen") is False:
            raise ConfigurationError(
                f"class {name}(Event, frozen=False): an event is a fact, and does not change. Leave it out."
            )
        kind = super().__new__(mcls, name, bases, namespace, **{"frozen": True, "kw_only": True, **options})
        if bases != (msgspec.Struct,):
            inherited = next((facts for base in kind.__mro__[1:] if (facts := facts_of(base)) is not None), None)
            if inherited is not None:
                key, topic = key or inherited.key, topic or inherited.topic
            make_known(kind, checked_facts(kind, name if type is None else type, key, topic))
        return kind


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(msgspec.field,))
class Event(msgspec.Struct, metaclass=EventMeta, frozen=True, kw_only=True):
    """A fact: ``class OrderCreated(Event, type="order.created", key="order_id"): order_id: str``. Frozen, by keyword.

    ``type``: its name on the wire, words divided by dots; by default the class's name. ``key``: the name of a field, or a
    function of the event: events of one key are handled one at a time, in the order they were published.
    ``topic``: what belongs together on a log broker; the queues of its groups are named after it. A class that inherits
    another event has its fields, key and topic, and a type of its own.
    """

    if TYPE_CHECKING:

        def __init_subclass__(
            cls,
            *,
            type: str | None = None,
            key: str | Callable[[Any], Any] | None = None,
            topic: str | None = None,
            **options: Any,
        ) -> None: ...

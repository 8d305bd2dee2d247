"""The base class of events: a frozen msgspec Struct that knows its type's name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, dataclass_transform

import msgspec

from postroad.errors import NotSupported


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(msgspec.field,))
class EventMeta(msgspec.StructMeta):
    """Takes the class options ``type`` and ``key``. Not built yet: subclassing Event says so."""

    def __new__(
        mcls,
        name: str,
        bases: tuple[type, ...],
        namespace: dict[str, Any],
        *,
        type: str | None = None,
        key: str | None = None,
        topic: str | None = None,
        **options: Any,
    ) -> EventMeta:
        if bases != (msgspec.Struct,):
            raise NotSupported(f"class {name}(Event): not built yet")
        return super().__new__(mcls, name, bases, namespace, **options)


class Event(msgspec.Struct, metaclass=EventMeta, frozen=True, kw_only=True):
    """``class OrderCreated(Event, type="order.created", key="order_id"): ...`` Not built yet."""

    if TYPE_CHECKING:

        def __init_subclass__(
            cls, *, type: str | None = None, key: str | None = None, topic: str | None = None, **options: Any
        ) -> None: ...

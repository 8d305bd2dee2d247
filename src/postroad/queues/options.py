"""What may be said of a queue when it is declared."""

from __future__ import annotations

from typing import Any

import msgspec

from postroad.core.durations import Duration, optional_seconds
from postroad.core.message import PRIORITY_MAX
from postroad.core.topology import OVERFLOWS, Queue, differences, valid_name
from postroad.engine.checks import checked_count
from postroad.errors import ConfigurationError, InvalidName, InvalidOption, NotSupported, TopologyConflict
from postroad.queues.envelope import Key

OWN = "postroad."


class Declared(msgspec.Struct, frozen=True):
    """One declaration. ``queue``: its arguments, without what it carries. ``declare``: whether the engine is told."""

    queue: Queue
    declare: bool = True
    key: Key | None = None
    schema: Any = None

    def check_alike(self, other: Declared) -> None:
        """Raises TopologyConflict when the other declaration of the same name says something else."""
        different = differences(self.queue, other.queue)
        for name in ("declare", "key", "schema"):
            old, new = getattr(other, name), getattr(self, name)
            if old != new:
                different.append(f"{name} is {old!r} there and {new!r} here")
        if different:
            raise TopologyConflict(
                f"Queue {self.queue.name!r} is declared twice in this app, and differently: {'; '.join(different)}. Declare it "
                "alike, or once, and import it from there."
            )


def declared(
    name: str,
    *,
    max_priority: int | None,
    max_length: int | None,
    overflow: str | None,
    ttl: Duration | None,
    declare: bool,
    durable: bool,
    exclusive: bool,
    kind: str,
    key: Key | None,
    schema: Any,
) -> Declared:
    """Raises InvalidName, InvalidOption or NotSupported, with what to write."""
    check_kind(kind)
    if not durable and not exclusive:
        raise NotSupported(
            f"app.queue({name!r}, durable=False): every queue here keeps its messages. Leave it out; for less durable messages, "
            "put(..., persistent=False); for a queue that goes with its process, exclusive=True."
        )
    if name or not exclusive:
        own_name(name, "queue")
    length, waits = bounds(max_length, overflow)
    queue = Queue(
        name,
        max_length=length,
        overflow=waits,
        ttl_s=positive_seconds(ttl),
        priority_max=highest_priority(max_priority),
        exclusive=bool(exclusive),
        temporary=bool(exclusive) and (not name or not durable),
    )
    return Declared(queue, bool(declare), key, schema)


def own_name(name: Any, what: str) -> str:
    """A name that users may take. Raises InvalidName."""
    if name == "" and what == "queue":
        raise InvalidName('"" is no queue name. For a queue of its process, with a name made for it: app.queue("", exclusive=True).')
    valid_name(name, what)
    if name.startswith(OWN):
        raise InvalidName(f"{name!r}: names that begin with {OWN!r} are the engine's own. Take another {what} name.")
    return str(name)


def check_kind(kind: Any) -> None:
    if kind == "auto":
        return
    if kind in ("list", "stream", "classic", "quorum"):
        raise NotSupported(f"kind={kind!r} is not for this engine, which has one kind of queue: leave kind= out.")
    raise InvalidOption(f'kind={kind!r}: write "auto", or leave it out.')


def bounds(max_length: int | None, overflow: str | None) -> tuple[int | None, str]:
    if max_length is None:
        if overflow is not None:
            raise InvalidOption(f"overflow={overflow!r} says what happens when the queue is full, and no max_length says when that is.")
        return None, ""
    if overflow is not None and overflow not in OVERFLOWS:
        raise InvalidOption(f"overflow={overflow!r}: write one of {', '.join(map(repr, OVERFLOWS))}.")
    return checked_count("max_length", max_length), overflow or OVERFLOWS[0]


def positive_seconds(ttl: Duration | None) -> float | None:
    ttl_s = optional_seconds(ttl, "ttl")
    if ttl_s == 0:
        raise InvalidOption("ttl=0: nothing could ever be taken from it in time. Write a duration, as '1h', or leave it out.")
    return ttl_s


def highest_priority(value: Any) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= PRIORITY_MAX:
        raise InvalidOption(f"max_priority={value!r}: write a whole number from 1 to {PRIORITY_MAX}, or leave it out.")
    return value


def unowned(what: str) -> ConfigurationError:
    """For what a router declares and no app has included."""
    return ConfigurationError(f"{what} is declared on a router that no app includes, so there is no engine behind it: app.include(router).")

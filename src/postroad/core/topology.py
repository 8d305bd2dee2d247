"""Queues, exchanges and bindings as declared, and what differs from what is there, in words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import msgspec

from postroad.errors import InvalidName, TopologyConflict

NAME_LENGTH_MAX = 200
EXCHANGE_KINDS = ("direct", "fanout", "topic", "headers")
OVERFLOWS = ("block", "reject", "drop_oldest")


class Queue(msgspec.Struct, frozen=True, omit_defaults=True):
    """A queue's declared arguments.

    ``carries``: "tasks", "messages", "events", or "" when not yet said. ``max_length``: most messages waiting (ready and
    delayed); ``overflow`` says what then. ``ttl_s``: what waits longer is a dead letter. ``priority_max``: 0-9, None for
    a queue whose messages name no priorities. ``exclusive``: one process at a time takes from it. ``temporary``: it goes,
    with its messages and bindings, when the process that takes from it ends.
    """

    name: str
    carries: str = ""
    max_length: int | None = None
    overflow: str = ""
    ttl_s: float | None = None
    priority_max: int | None = None
    exclusive: bool = False
    temporary: bool = False


class Exchange(msgspec.Struct, frozen=True, omit_defaults=True):
    """Routes messages to queues. ``alternate``: the exchange that gets what this one can route nowhere."""

    name: str
    kind: str = "topic"
    alternate: str = ""


class Binding(msgspec.Struct, frozen=True, omit_defaults=True):
    """What ``exchange`` sends to the queue, or exchange, ``to``.

    ``pattern``: the routing key (direct), a pattern of words with ``*`` and ``#`` (topic); fanout ignores it.
    ``headers``: those to compare (headers exchange), ``match`` "all" or "any" of them.
    """

    exchange: str
    to: str
    pattern: str = ""
    headers: dict[str, str] = {}
    match: str = "all"
    to_exchange: bool = False

    def words(self) -> str:
        """As people say it."""
        target = f"{'exchange' if self.to_exchange else 'queue'} {self.to!r}"
        what = f" by {self.match} of {self.headers}" if self.headers else f" by {self.pattern!r}" if self.pattern else ""
        return f"{self.exchange!r} to {target}{what}"


class Topology(msgspec.Struct, frozen=True, omit_defaults=True):
    """All that an application declares, or all that an engine has."""

    queues: tuple[Queue, ...] = ()
    exchanges: tuple[Exchange, ...] = ()
    bindings: tuple[Binding, ...] = ()


Thing = Queue | Exchange | Binding


class Change(msgspec.Struct, frozen=True):
    """One step of a plan. ``action``: "create", "alter" (only to say more of what was left open) or "conflict"."""

    action: str
    what: Thing
    words: str


def valid_name(name: Any, what: str = "queue") -> str:
    """The name itself. Raises InvalidName for what no engine could carry."""
    if not isinstance(name, str) or not name or len(name) > NAME_LENGTH_MAX or not name.isprintable():
        raise InvalidName(f"{name!r} is no {what} name: use 1 to {NAME_LENGTH_MAX} printable characters.")
    return str(name)


def differences(declared: Queue | Exchange, present: Queue | Exchange) -> list[str]:
    """What differs, one phrase an argument. What either leaves open in ``carries`` is no difference."""
    names = [field for field in declared.__struct_fields__ if field != "name"]
    pairs = [(name, getattr(present, name), getattr(declared, name)) for name in names]
    return [
        f"{name} is {old!r} there and {new!r} here"
        for name, old, new in pairs
        if old != new and not (name == "carries" and not (old and new))
    ]


def change_for(declared: Queue, present: Queue | None) -> Change | None:
    """What must happen for this queue, or None."""
    if present is not None and not present.carries and declared.carries and not differences(declared, present):
        return Change("alter", declared, f"queue {declared.name!r} will carry {declared.carries}")
    return thing_change("queue", declared, present)


def thing_change(kind: str, declared: Queue | Exchange, present: Queue | Exchange | None) -> Change | None:
    if present is None:
        return Change("create", declared, f"create {described(kind, declared)}")
    different = differences(declared, present)
    if not different:
        return None
    return Change("conflict", declared, f"{kind} {declared.name!r} exists otherwise: {'; '.join(different)}")


def described(kind: str, thing: Queue | Exchange) -> str:
    return f"{thing.kind} exchange {thing.name!r}" if isinstance(thing, Exchange) else f"{kind} {thing.name!r}"


def changes(declared: Topology, present: Topology) -> list[Change]:
    """Everything to do so that what is declared is there; nothing is ever removed. In an order that can be applied."""
    queues = {queue.name: queue for queue in present.queues}
    exchanges = {exchange.name: exchange for exchange in present.exchanges}
    found: list[Change | None] = [change_for(queue, queues.get(queue.name)) for queue in declared.queues]
    found += [thing_change("exchange", one, exchanges.get(one.name)) for one in declared.exchanges]
    bound = {binding_key(binding) for binding in present.bindings}
    found += [
        Change("create", binding, f"bind {binding.words()}")
        for binding in declared.bindings
        if binding_key(binding) not in bound
    ]
    return [change for change in found if change is not None]


def conflict(planned: Sequence[Change]) -> TopologyConflict | None:
    """The error for a plan that cannot be applied."""
    words = [change.words for change in planned if change.action == "conflict"]
    if not words:
        return None
    return TopologyConflict(
        f"{'; '.join(words)}. Declare it alike everywhere, or under another name; 'postroad topology plan' shows all of it."
    )


Named = TypeVar("Named", Queue, Exchange)


def merged(parts: Iterable[Topology]) -> Topology:
    """All of them as one. Raises TopologyConflict for two declarations of one name that differ."""
    parts = list(parts)
    queues = [queue for part in parts for queue in part.queues]
    exchanges = [exchange for part in parts for exchange in part.exchanges]
    bindings = dict.fromkeys(binding_key(binding) for part in parts for binding in part.bindings)
    by_key = {binding_key(binding): binding for part in parts for binding in part.bindings}
    return Topology(
        tuple(once("queue", queues)), tuple(once("exchange", exchanges)), tuple(by_key[key] for key in bindings)
    )


def binding_key(binding: Binding) -> bytes:
    """Bindings hold a dict, so they have no hash of their own."""
    return msgspec.json.encode(binding, order="sorted")


def once(kind: str, declared: Sequence[Named]) -> list[Named]:
    """Each name once."""
    found: dict[str, Named] = {}
    for one in declared:
        present = found.get(one.name)
        found[one.name] = one if present is None else together(kind, present, one)
    return list(found.values())


def together(kind: str, first: Any, second: Any) -> Any:
    """Two declarations of one name. One that only names its queue (a task's) takes the other's arguments."""
    if isinstance(first, Queue):
        carries = first.carries or second.carries
        for plain, full in ((first, second), (second, first)):
            if plain == Queue(plain.name, plain.carries) and {plain.carries, full.carries} <= {"", carries}:
                return msgspec.structs.replace(full, carries=carries)
    different = differences(second, first)
    if different:
        raise TopologyConflict(f"{kind} {first.name!r} is declared twice in this app: {'; '.join(different)}.")
    return first

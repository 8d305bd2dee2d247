"""Queues as declared, and what differs from what is there, in words."""

from __future__ import annotations

import msgspec

from postroad.errors import InvalidName

NAME_LENGTH_MAX = 200


class Queue(msgspec.Struct, frozen=True, omit_defaults=True):
    """A queue's declared arguments. ``carries``: "tasks", "messages", or "" when not yet said."""

    name: str
    carries: str = ""
    max_length: int | None = None
    overflow: str = ""
    ttl_s: float | None = None
    priority_max: int | None = None


class Topology(msgspec.Struct, frozen=True):
    """All that an application declares."""

    queues: tuple[Queue, ...] = ()


class Change(msgspec.Struct, frozen=True):
    """One step of a plan. ``action``: "create" or "conflict"; ``words`` says it for people."""

    action: str
    queue: Queue
    words: str


def valid_name(name: str, what: str = "queue") -> str:
    """The name itself. Raises InvalidName for what no engine could carry."""
    if not name or len(name) > NAME_LENGTH_MAX or not name.isprintable():
        raise InvalidName(f"{name!r} is no {what} name: use 1 to {NAME_LENGTH_MAX} printable characters.")
    return name


def differences(declared: Queue, present: Queue) -> list[str]:
    """What differs, one phrase an argument."""
    names = [field for field in Queue.__struct_fields__ if field != "name"]
    pairs = [(name, getattr(present, name), getattr(declared, name)) for name in names]
    return [
        f"{name} is {old!r} there and {new!r} here"
        for name, old, new in pairs
        if old != new and not (name == "carries" and not new)
    ]


def change_for(declared: Queue, present: Queue | None) -> Change | None:
    """What must happen for this queue, or None."""
    if present is None:
        return Change("create", declared, f"create queue {declared.name!r}")
    different = differences(declared, present)
    if not different:
        return None
    return Change("conflict", declared, f"queue {declared.name!r} exists otherwise: {'; '.join(different)}")

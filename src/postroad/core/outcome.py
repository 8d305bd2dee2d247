"""How a delivery ends: returned values, never flags."""

from __future__ import annotations

import msgspec

from postroad.core.delivery import Attempt, Delivery
from postroad.core.message import Send
from postroad.core.writes import Write


class Accept(msgspec.Struct, frozen=True, gc=False, tag="accept"):
    """Done: the message leaves the queue."""


class Release(msgspec.Struct, frozen=True, gc=False, tag="release"):
    """Back to the queue after ``delay_s``. ``counted``: it uses up an attempt."""

    delay_s: float = 0.0
    counted: bool = False
    attempt: Attempt | None = None


class Reject(msgspec.Struct, frozen=True, gc=False, tag="reject"):
    """To the dead letters, with the reason and the last attempt."""

    reason: str
    attempt: Attempt | None = None


Outcome = Accept | Release | Reject

ACCEPT = Accept()


class Settlement(msgspec.Struct, frozen=True, gc=False):
    """An outcome with what leaves with it: messages and store writes, all or nothing.

    ``mark``: the inbox remembers it for this queue; when it is there already, nothing of this settlement happens but that
    the message leaves (SettlementFailure ``duplicate``).
    """

    delivery: Delivery
    outcome: Outcome
    sends: tuple[Send, ...] = ()
    writes: tuple[Write, ...] = ()
    mark: str | None = None


class SettlementFailure(msgspec.Struct, frozen=True, gc=False):
    """A settlement that did not happen. ``kind``: ``lost`` (the lease went elsewhere), ``refused`` (a send was),
    ``blocked`` (a send goes to a queue that is full and lets its producers wait) or ``duplicate`` (the mark was there:
    the message left, the sends and writes were not done)."""

    settlement: Settlement
    kind: str
    reason: str

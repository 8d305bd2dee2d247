"""What is sent: an immutable envelope around bytes."""

from __future__ import annotations

import msgspec

BODY_BYTES_MAX = 16 * 1024 * 1024
HEADERS_BYTES_MAX = 64 * 1024
KEY_LENGTH_MAX = 512
PRIORITY_DEFAULT = 4
PRIORITY_MAX = 9

JSON = "application/json"


class Unique(msgspec.Struct, frozen=True, gc=False):
    """At most one live message with this key; a later one is answered with the first one's id.

    ``ttl_s``: how long the key stays taken, counted from the send; None until the message is done.
    """

    key: str
    ttl_s: float | None = None


class Message(msgspec.Struct, frozen=True, gc=False):
    """One envelope. Times are wall-clock seconds since the epoch.

    ``headers`` are text; the engine's own begin with ``postroad-``. ``priority`` is 0-9, higher is sooner.
    ``track``: its id can be asked for while it waits. ``dedupe``: the id was chosen by the sender, so a second
    message with the same id is recognised by the inbox and not handled again.
    """

    id: str
    body: bytes
    content_type: str = JSON
    headers: dict[str, str] = {}
    key: str | None = None
    priority: int = PRIORITY_DEFAULT
    due_at: float | None = None
    expires_at: float | None = None
    queued_at: float = 0.0
    track: bool = False
    dedupe: bool = False
    unique: Unique | None = None
    order_skip: bool = False


class Address(msgspec.Struct, frozen=True, gc=False):
    """Where a message goes: an exchange and a routing key; the exchange "" routes straight to the queue so named."""

    routing_key: str
    exchange: str = ""


class Send(msgspec.Struct, frozen=True, gc=False):
    """One message on its way to one address. ``mandatory``: refuse it when an exchange routes it to nobody.

    ``returning``: it comes back to a queue that had it, and is taken though the queue is full: what waits there may wait for it.
    """

    to: Address
    message: Message
    mandatory: bool = False
    returning: bool = False


class Receipt(msgspec.Struct, frozen=True, gc=False):
    """The engine has the message. ``duplicate_of``: it had one already, with this id, and kept that instead.

    ``routed``: to how many queues it went; 0: to nobody (it is in the log of the unrouted).
    """

    id: str
    duplicate_of: str | None = None
    routed: int = 1


class Refused(msgspec.Struct, frozen=True, gc=False):
    """The engine did not take the message.

    ``kind``: ``full`` (the queue rejects), ``blocked`` (the queue is full and lets its producers wait) or ``unroutable``.
    """

    id: str
    kind: str
    reason: str

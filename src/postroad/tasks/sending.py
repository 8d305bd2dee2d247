"""From a call to a message: what `options` said of this call, over what the task says of all."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import datetime, tzinfo
from typing import Any

import msgspec

from postroad.core.durations import Duration, seconds
from postroad.core.message import JSON, Address, Message, Send, Unique
from postroad.core.topology import valid_name
from postroad.engine.checks import checked_id, checked_key, checked_priority, timestamp, user_headers
from postroad.engine.identity import new_id
from postroad.errors import InvalidOption
from postroad.tasks.arguments import Arguments, Bound
from postroad.tasks.documents import TASK_HEADER
from postroad.tasks.options import Key, Policy


class Sending(msgspec.Struct, frozen=True, kw_only=True):
    """What `Task.options` takes."""

    countdown: Duration | None = None
    eta: datetime | None = None
    expires: Duration | datetime | None = None
    priority: int | None = None
    queue: str | None = None
    key: str | None = None
    unique_key: str | None = None
    headers: Mapping[str, str] | None = None
    id: str | None = None
    send_now: bool = False

    def __post_init__(self) -> None:
        if self.countdown is not None and self.eta is not None:
            raise InvalidOption("countdown and eta both say when: give one of them.")
        if self.eta is not None and not isinstance(self.eta, datetime):
            raise InvalidOption(f"eta={self.eta!r}: write a datetime, or countdown= with seconds.")
        checked_id(self.id)

    def also(self, **options: Any) -> Sending:
        """These, and what is said now (what is not None)."""
        return msgspec.structs.replace(self, **{name: value for name, value in options.items() if value is not None})


class Envelope:
    """Makes the messages of one task and one set of options; everything that does not change is made once."""

    def __init__(self, name: str, arguments: Arguments, policy: Policy, sending: Sending, zone: tzinfo, size_max_bytes: int) -> None:
        self.arguments = arguments
        self.size_max_bytes = size_max_bytes
        self.address = Address(policy.queue if sending.queue is None else valid_name(sending.queue))
        self.headers = {**user_headers(sending.headers), TASK_HEADER: name}
        self.priority = policy.priority if sending.priority is None else checked_priority(sending.priority)
        self.key = fixed_key(sending.key) if sending.key is not None else key_function(policy.key, arguments)
        self.delay_s = None if sending.countdown is None else seconds(sending.countdown, "countdown")
        self.due_at = None if sending.eta is None else timestamp(sending.eta, zone)
        self.expires_s, self.expires_at = expiry(sending.expires, policy.expires_s, zone)
        self.id = sending.id
        self.track = policy.keep_s is not None
        self.unique = None if sending.unique_key is None else Unique(f"{name}\x1f{sending.unique_key}")
        self.order_skip = policy.order_skip

    def send(self, bound: Bound) -> Send:
        """The message of this call, on its way. Raises Unserialisable, TooLarge or ArgumentsDoNotFit."""
        now = time.time()
        return Send(
            self.address,
            Message(
                self.id or new_id(),
                self.arguments.encode(bound, self.size_max_bytes),
                JSON,
                self.headers,
                None if self.key is None else self.key(bound),
                self.priority,
                self.due_at if self.delay_s is None else now + self.delay_s,
                self.expires_at if self.expires_s is None else now + self.expires_s,
                now,
                self.track,
                self.id is not None,
                self.unique,
                self.order_skip,
            ),
        )


def expiry(given: Duration | datetime | None, policy_s: float | None, zone: tzinfo) -> tuple[float | None, float | None]:
    """Seconds from the send, or a fixed time."""
    if isinstance(given, datetime):
        return None, timestamp(given, zone)
    return (policy_s if given is None else seconds(given, "expires")), None


KeyOf = Callable[[Bound], str | None]


def fixed_key(key: str) -> KeyOf:
    checked = checked_key(key)
    return lambda bound: checked


def key_function(key: Key | None, arguments: Arguments) -> KeyOf | None:
    """The key of a call: the value of the parameter so named, or what the function of the arguments answers."""
    if key is None:
        return None
    if isinstance(key, str):
        return lambda bound: checked_key(arguments.value(key, bound))
    return lambda bound: checked_key(key(*bound[0], **bound[1]))

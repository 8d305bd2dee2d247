"""What is asked before a subscribed function runs: the inbox, and the order by number. Here, where both are known."""

from __future__ import annotations

from typing import Any

from postroad.core.durations import Duration, seconds
from postroad.core.message import Message
from postroad.engine.attributes import TYPE
from postroad.engine.checks import check_choice
from postroad.engine.handler import Gate
from postroad.errors import ConfigurationError, InvalidOption
from postroad.events.facts import facts_of
from postroad.events.handler import Mark
from postroad.events.subscription import AnySubscriber
from postroad.queues.gates import ON_GAP, Field, field, gap_seconds, mark_of
from postroad.reliability.sequence import SequenceGate


def guard(
    subscriber: AnySubscriber, inbox: Field | bool | None, sequence: Field | None, gap_timeout: Duration, on_gap: str
) -> None:
    """Raises InvalidOption, ConfigurationError."""
    check_choice("on_gap", on_gap, ON_GAP)
    seconds(gap_timeout, "gap_timeout")
    mark = marker(subscriber, inbox)
    gate = None if sequence is None else sequenced(subscriber, sequence, gap_timeout, on_gap)
    if mark is not None or gate is not None:
        subscriber.handler.guard(mark, gate)


def marker(subscriber: AnySubscriber, inbox: Any) -> Mark | None:
    """What the inbox remembers of an event: its id, or what a field of it holds."""
    if inbox is None or inbox is False:
        return None
    if inbox is True:
        return lambda message: message.id
    value = field(inbox, "inbox", reader(subscriber))
    return lambda message: mark_of(value(message))


def sequenced(subscriber: AnySubscriber, which: Any, gap_timeout: Duration, on_gap: str) -> Gate:
    """Numbers order the events of one key, so there must be one."""
    for kind in subscriber.wanted.classes.values():
        facts = facts_of(kind)
        if facts is not None and facts.key is None:
            raise ConfigurationError(
                f"sequence=: numbers order the events of one key, and {kind.__name__} has none: say it where it is declared, "
                "key=..."
            )
    if subscriber.options.ack == "early":
        raise InvalidOption(
            'sequence= with ack="early": the next number may come while this one is still handled. Use ack="late".'
        )
    if subscriber.options.order == "skip":
        raise InvalidOption(
            'sequence= with order="skip": the next number must not run before the one that is tried again. Use order="wait".'
        )
    if subscriber.options.broadcast:
        raise InvalidOption(
            "sequence= with broadcast=True: the numbers are kept for a group, and a broadcast's ends with its process."
        )
    gap_timeout_s = gap_seconds(gap_timeout)
    number = field(which, "sequence", reader(subscriber))
    return SequenceGate(subscriber.queue, lambda delivery: number(delivery.message), gap_timeout_s, on_gap)


def reader(subscriber: AnySubscriber) -> Any:
    """The event as its handler reads it, without its attributes."""

    def read(message: Message) -> Any:
        return subscriber.readers.data(message.headers[TYPE])(message)

    return read

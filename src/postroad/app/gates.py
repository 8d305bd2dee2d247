"""Gates for queues and subscriptions: order by number."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from postroad.core.delivery import Delivery
from postroad.core.durations import Duration, seconds
from postroad.core.message import Message
from postroad.engine.handler import Gate
from postroad.errors import InvalidOption, MessageError, Undecodable
from postroad.reliability.sequence import ON_GAP, SequenceGate

MISSING = object()


def sequence_gate(
    queue_name: str, sequence: Any, gap_timeout: Duration, on_gap: str, decode: Callable[[Message], Any]
) -> Gate:
    """``sequence``: the field of the body that has the number, or a function of the body. ``decode``: the body of a message;
    raises Undecodable. Raises InvalidOption."""
    gap_timeout_s = seconds(gap_timeout, "gap_timeout")
    if gap_timeout_s <= 0:
        raise InvalidOption(f"gap_timeout={gap_timeout!r}: write how long to wait for a missing number, as 30 or '5m'.")
    if on_gap not in ON_GAP:
        raise InvalidOption(f"on_gap={on_gap!r}: write one of {', '.join(map(repr, ON_GAP))}.")
    if not sequence or not (callable(sequence) or isinstance(sequence, str)):
        raise InvalidOption(f"sequence={sequence!r}: write the name of a field, or a function of the body.")
    return SequenceGate(queue_name, reader(sequence, decode), gap_timeout_s, on_gap)


def reader(sequence: Any, decode: Callable[[Message], Any]) -> Callable[[Delivery], Any]:
    """The number of a delivery. What it raises is a MessageError, whatever a user's function raised."""

    def number(delivery: Delivery) -> Any:
        body = decode(delivery.message)
        if isinstance(sequence, str):
            return field(body, sequence)
        try:
            return sequence(body)
        except MessageError:
            raise
        except Exception as error:
            raise Undecodable(f"sequence= cannot be had of this body: {type(error).__name__}: {error}") from error

    return number


def field(body: Any, name: str) -> Any:
    """Of a mapping, or of an object."""
    value = body.get(name, MISSING) if isinstance(body, Mapping) else getattr(body, name, MISSING)
    if value is MISSING:
        raise Undecodable(f"sequence={name!r}: the body has no field of this name.")
    return value

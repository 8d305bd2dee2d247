"""Fields of bodies that the engine looks at: an inbox's mark, a sequence's number. And the way to a gate, which is built above."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NoReturn

import msgspec

from postroad.core import codec
from postroad.core.durations import Duration, seconds
from postroad.core.message import Message
from postroad.engine.handler import Gate
from postroad.errors import InvalidOption, MessageError, NotSupported, Undecodable

Field = str | Callable[[Any], Any]
"""The name of a field of the body, or a function of the body."""

ON_GAP = ("dead-letter", "skip")

DECODE_ANY = codec.decoder(Any)


class Sequencing(msgspec.Struct, frozen=True):
    """How a consumer wants its messages ordered. ``number``: of a message; raises Undecodable."""

    number: Callable[[Message], int]
    gap_timeout_s: float
    on_gap: str


GateMaker = Callable[[str, Sequencing], Gate]
"""For the queue so named."""


def no_gates(queue: str, how: Sequencing) -> NoReturn:
    """Where nobody gave a maker."""
    raise NotSupported("sequence= needs an app: declare the queue on one, or on a router.")


def field(which: Field, option: str, read: Callable[[Message], Any]) -> Callable[[Message], Any]:
    """What this field of a message's body holds. ``read``: how its handler reads the body, for functions of it.

    The function raises Undecodable, whatever a user's own raises: such a message will not get better.
    """
    if not isinstance(which, str) and not callable(which):
        raise InvalidOption(f"{option}={which!r}: write the name of a field of the body, or a function of the body.")
    if isinstance(which, str):
        return lambda message: named(which, option, codec.decode(DECODE_ANY, message.body, "The body"))

    def called(message: Message) -> Any:
        body = read(message)
        try:
            return which(body)
        except MessageError:
            raise
        except Exception as error:
            raise Undecodable(f"{option}= cannot be had of this body: {type(error).__name__}: {error}") from error

    return called


def gap_seconds(gap_timeout: Duration) -> float:
    """How long a missing number is waited for. Raises InvalidOption for no time at all: messages that overtake each other
    by a little would all be gaps."""
    gap_timeout_s = seconds(gap_timeout, "gap_timeout")
    if gap_timeout_s <= 0:
        raise InvalidOption(f"gap_timeout={gap_timeout!r}: write how long to wait for a missing number, as 30 or '5m'.")
    return gap_timeout_s


def named(name: str, option: str, body: Any) -> Any:
    if not isinstance(body, Mapping) or name not in body:
        raise Undecodable(f"{option}={name!r}: the body has no field of this name.")
    return body[name]


def mark_of(value: Any) -> str | None:
    """As the inbox keeps it; None is no mark."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, dict | list | float):
        raise Undecodable(f"inbox=: {value!r:.80} is no id: use a text or a whole number.")
    return str(value)


def whole_number(value: Any) -> int:
    """Raises Undecodable for what is none."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise Undecodable(f"sequence=: {value!r:.80} is no number of a sequence: use whole numbers from 0 up.")
    return value

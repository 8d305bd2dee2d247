"""What a message is to do, by its number alone: so that everybody knows without asking."""

from __future__ import annotations

FOLLOW = 1 << 48
"""Added to a message's number, it is the number of its follow-up."""

EVENT = 1 << 49
GROUPS = 2
"""Of an event that a handler publishes; each group has a copy, numbered apart."""

PLAIN, COROUTINE, KEYED, KEPT, DELAYED, URGENT, SENDING, COROUTINE_SENDING = range(8)
LANES = 16


def kind_of(number: int) -> int:
    return number % 8


def follows(number: int) -> bool:
    """Whether its handler sends a follow-up."""
    return number < FOLLOW and kind_of(number) in (SENDING, COROUTINE_SENDING)


def publishes(number: int) -> bool:
    """Whether its handler publishes an event."""
    return number < FOLLOW and kind_of(number) in (COROUTINE, KEYED, URGENT, COROUTINE_SENDING)


def copies(number: int) -> tuple[int, ...]:
    """The numbers of its event, one a group."""
    return tuple(number + EVENT * (group + 1) for group in range(GROUPS))


def sent_by(number: int) -> tuple[int, ...]:
    """Everything that leaves with this message's handler."""
    follow_up = (number + FOLLOW,) if follows(number) else ()
    return (*follow_up, *(copies(number) if publishes(number) else ()))


def pause_s(number: int) -> float:
    """How long its handler takes: 10 to 50 ms, several times what a commit does.

    So that next to nothing has ended and is not settled when a child is killed: what is started again is what ran.
    """
    return 0.01 + (number * 7919 % 41) / 1_000


def delay_s(number: int) -> float:
    """How long a delayed one waits: up to a second."""
    return (number * 31 % 97) / 97


def id_of(run: str, number: int) -> str:
    """The id of one that its producer names itself, so that it may be sent again when the producer died unanswered."""
    return f"torture-{run}-{number}"

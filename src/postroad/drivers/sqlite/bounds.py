"""Queues that hold no more than so many waiting messages, and what is waited in them for no longer than so long."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from postroad.core.message import Message, Refused, Send
from postroad.core.topology import Queue
from postroad.drivers.sqlite import deadletters
from postroad.drivers.sqlite.session import Session

WAITING = """
SELECT (SELECT count(*) FROM ready WHERE queue = ?1) + (SELECT count(*) FROM follower WHERE queue = ?1)
     + (SELECT count(*) FROM due WHERE queue = ?1) + (SELECT count(*) FROM suspect WHERE queue = ?1)
"""
OLDEST = """
SELECT json_group_array(seq) FROM (
  SELECT seq FROM ready WHERE queue = ?1 UNION ALL SELECT seq FROM follower WHERE queue = ?1
  UNION ALL SELECT seq FROM due WHERE queue = ?1 UNION ALL SELECT seq FROM suspect WHERE queue = ?1 ORDER BY seq LIMIT ?2)
"""


def limits(session: Session, number: int) -> Queue | None:
    """The queue's declaration, when it has a bound or a ttl."""
    if number not in session.names:
        session.load_queues()
    return session.directory.special.get(number)


def waiting(session: Session, number: int) -> int:
    """Messages that nobody holds."""
    return int(session.value(WAITING, (number,)))


def room(session: Session, number: int) -> int | None:
    """How many more messages the queue takes now; None: any number. True to the end of the transaction, less what it adds."""
    queue = limits(session, number)
    if queue is None or queue.max_length is None:
        return None
    return max(0, queue.max_length - waiting(session, number))


def makes_room(queue: Queue) -> bool:
    """Whether it takes everything, at the cost of its oldest."""
    return queue.overflow == "drop_oldest"


class Rooms:
    """What is left in the bounded queues while a transaction fills them."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.left: dict[int, int] = {}

    def full(self, numbers: Iterable[int]) -> Queue | None:
        """The first of these queues that takes nothing more."""
        special = self.session.directory.special
        for number in numbers:
            queue = special.get(number)
            if queue is not None and not makes_room(queue) and queue.max_length is not None and not self.room(number):
                return queue
        return None

    def room(self, number: int) -> int:
        if number not in self.left:
            self.left[number] = room(self.session, number) or 0
        return self.left[number]

    def take(self, numbers: Iterable[int]) -> None:
        """One message more for each of these."""
        for number in numbers:
            if number in self.left:
                self.left[number] -= 1


def refused(send: Send, queue: Queue) -> Refused:
    """Why a full queue does not take it."""
    waits = f"Queue {queue.name!r} is full: {queue.max_length} messages wait in it (max_length)"
    if queue.overflow == "block":
        return Refused(send.message.id, "blocked", f"{waits}, and it lets its producers wait. Send again later.")
    return Refused(
        send.message.id,
        "full",
        f"{waits}, and it rejects more. Send later, add workers, or declare a larger max_length.",
    )


def limited(message: Message, queue: Queue | None) -> Message:
    """As it is put into this queue: it expires when the queue's ttl is over, or its own."""
    if queue is None or queue.ttl_s is None:
        return message
    latest = message.queued_at + queue.ttl_s
    if message.expires_at is not None and message.expires_at <= latest:
        return message
    return msgspec.structs.replace(message, expires_at=latest)


def drop_oldest(session: Session, numbers: Iterable[int]) -> None:
    """Of these queues, those that make room for what comes bury what they hold too much, oldest first."""
    special = session.directory.special
    for number in numbers if special else ():
        queue = special.get(number)
        if queue is not None and queue.max_length is not None and makes_room(queue):
            excess = waiting(session, number) - queue.max_length
            if excess > 0:
                overflow(session, number, queue, excess)


def overflow(session: Session, number: int, queue: Queue, excess: int) -> None:
    """The oldest waiting ones become dead letters."""
    reason = f"overflow: queue {queue.name!r} keeps its newest {queue.max_length} messages"
    deadletters.bury_seqs(session, session.value(OLDEST, (number, excess)), reason, "Overflow")

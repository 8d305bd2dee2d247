"""Queues that hold no more than so many waiting messages, and what is waited in them for no longer than so long."""

from __future__ import annotations

from collections.abc import Iterable
from math import inf

import msgspec

from postroad.core.message import PRIORITY_MAX, Message, Refused, Send
from postroad.core.topology import Queue
from postroad.drivers.sqlite import deadletters
from postroad.drivers.sqlite.session import Fill, Session

WAITING = """
SELECT (SELECT count(*) FROM ready WHERE queue = ?1) + (SELECT count(*) FROM follower WHERE queue = ?1)
     + (SELECT count(*) FROM due WHERE queue = ?1) + (SELECT count(*) FROM suspect WHERE queue = ?1)
"""
BY_RANK = "SELECT * FROM (SELECT seq FROM ready WHERE queue = ?1 AND rank = {rank} ORDER BY seq LIMIT ?2)"
BY_SEQ = "SELECT * FROM (SELECT seq FROM {table} WHERE queue = ?1 ORDER BY seq LIMIT ?2)"
EACH_OLDEST = [
    *(BY_RANK.format(rank=rank) for rank in range(PRIORITY_MAX + 1)),
    *(BY_SEQ.format(table=table) for table in ("follower", "due", "suspect")),
]
OLDEST = f"SELECT json_group_array(seq) FROM ({' UNION ALL '.join(EACH_OLDEST)} ORDER BY seq LIMIT ?2)"
HELD = "SELECT count(*) FROM leased WHERE queue = ?1"
ADDED = """
SELECT (SELECT value FROM counter WHERE name = 'published:' || ?1), (SELECT value FROM counter WHERE name = 'redriven')
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


def estimate(session: Session, number: int, queue: Queue) -> int | None:
    """So much room there is at the least, said without a count; None when only a count can tell whether there is any.

    Messages come into a queue as they are counted for it, or redriven; whatever else happens, none is added. So after one
    count of all that is in it, waiting and held, there is no need of another one until that room may be used up.
    """
    counted = session.fills.get(number)
    if counted is None or queue.max_length is None:
        return None
    published, redriven = session.rows(ADDED, (number,))[0]
    most = counted.messages + (published or 0) - counted.published
    return queue.max_length - most if redriven == counted.redriven and most < queue.max_length else None


def count(session: Session, number: int) -> int:
    """Messages waiting in it; what is learnt by this is kept for `estimate`."""
    waits = waiting(session, number)
    published, redriven = session.rows(ADDED, (number,))[0]
    session.fills[number] = Fill(waits + int(session.value(HELD, (number,))), published or 0, redriven)
    return waits


class Rooms:
    """What is left in the bounded queues while a transaction fills them."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.left: dict[int, int] = {}
        self.counted: set[int] = set()
        self.taken: dict[int, int] = {}

    def full(self, numbers: Iterable[int]) -> Queue | None:
        """One of these queues that takes nothing more: one that rejects rather than one for which waiting helps."""
        special = self.session.directory.special
        full: Queue | None = None
        for number in numbers if special else ():
            queue = special.get(number)
            if queue is not None and not makes_room(queue) and self.room(number, queue) <= 0:
                full = queue if full is None or full.overflow == "block" else full
        return full

    def room(self, number: int, queue: Queue) -> float:
        if queue.max_length is None:
            return inf
        left = self.left.get(number)
        if left is None:
            left = estimate(self.session, number, queue) or 0
        if left <= 0 and number not in self.counted:
            self.counted.add(number)
            left = queue.max_length - count(self.session, number) - self.taken.get(number, 0)
        self.left[number] = left
        return left

    def take(self, numbers: Iterable[int]) -> None:
        """One message more for each of these."""
        for number in numbers:
            if number in self.left:
                self.left[number] -= 1
                self.taken[number] = self.taken.get(number, 0) + 1


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
        if queue is not None and makes_room(queue):
            bury_oldest(session, number, queue, excess(session, number, queue))


def excess(session: Session, number: int, queue: Queue) -> int:
    """How many more than it may hold."""
    if queue.max_length is None or estimate(session, number, queue) is not None:
        return 0
    return count(session, number) - queue.max_length


def bury_oldest(session: Session, number: int, queue: Queue, most: int) -> None:
    """So many of those that wait become dead letters."""
    if most > 0:
        reason = f"overflow: queue {queue.name!r} keeps its newest {queue.max_length} messages"
        deadletters.bury_seqs(session, session.value(OLDEST, (number, most)), reason, "Overflow")

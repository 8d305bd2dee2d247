"""Dead letters go back to their queues: oldest first, as many as there is room for, at once or spread over time."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from postroad.drivers.sqlite import bounds, lanes, letters, mending
from postroad.drivers.sqlite.session import CHANGE, WORK, Session, as_json
from postroad.ports.driver import DeadLetterFilter, Redriven

CHOSEN = """
SELECT json_group_array(json_array(number, queue)) FROM (
  SELECT d.number, d.queue FROM dead d WHERE {where} AND d.number > :after
  AND d.queue NOT IN (SELECT value FROM json_each(:shut)) ORDER BY d.number LIMIT :limit)
"""
REDRIVE = """
INSERT INTO message(seq, id, queue, rank, key, due_at, flags, attempt, crashes, head, body, history)
SELECT ?2 + e.key, d.id, d.queue, d.rank, d.key, e.value->>1, d.flags, 1, 0, json_set(d.head, '$[2]', e.value->>2), d.body,
       json_insert(coalesce(d.history, '[]'), '$[#]', json_object('kind', 'redriven', 'error_type', d.error_type,
                   'error', d.reason, 'started_at', d.died_at, 'ended_at', ?3, 'worker', d.worker))
FROM json_each(?1) e CROSS JOIN dead d ON d.number = e.value->>0
"""
READY = "INSERT INTO ready SELECT queue, rank, seq FROM message WHERE seq >= ?1 AND key IS NULL AND due_at IS NULL"
DUE = "INSERT INTO due SELECT due_at, seq, queue FROM message WHERE seq >= ?1 AND due_at IS NOT NULL"
CLAIM = """
INSERT INTO claimed_key SELECT head ->> 4, id, NULL FROM message
WHERE seq >= ?1 AND flags & 4 AND head ->> 5 IS NULL AND head ->> 4 IS NOT NULL
ON CONFLICT(key) DO UPDATE SET id = excluded.id, until = NULL WHERE until <= ?2
"""
FORGET = """
DELETE FROM doc WHERE kind IN (SELECT value FROM json_each(?2))
AND key IN (SELECT d.id FROM json_each(?1) e JOIN dead d ON d.number = e.value)
"""

Letter = tuple[int, int]
"""Its number, and its queue's."""

LETTERS = msgspec.json.Decoder(list[Letter])


class Pace:
    """When the next one becomes ready, if they are not all to come at once. It goes on from call to call."""

    def __init__(self, rate_per_s: float | None) -> None:
        self.rate_per_s = rate_per_s
        self.next_at = 0.0

    def times(self, now: float, count: int) -> list[float | None]:
        """For so many letters; None: at once."""
        if self.rate_per_s is None:
            return [None] * count
        start = max(now, self.next_at)
        return [start + place / self.rate_per_s for place in range(count)]

    def taken(self, now: float, count: int) -> None:
        if self.rate_per_s is not None:
            self.next_at = max(now, self.next_at) + count / self.rate_per_s


def redrive(session: Session, which: DeadLetterFilter, limit: int, forget: Sequence[str], pace: Pace) -> Redriven:
    """Their history goes with them; attempts and crashes are at zero. What does not fit stays a dead letter.

    ``forget``: kinds of documents about them that are no longer true.
    """
    chosen, refused = choose(session, which, limit)
    if chosen:
        send_back(session, chosen, pace)
        numbers = as_json([number for number, _queue in chosen])
        session.connection.execute(FORGET, (numbers, as_json(list(forget))))
        mending.remove(session, numbers)
        session.bells |= WORK | CHANGE
    return Redriven(len(chosen), refused)


def choose(session: Session, which: DeadLetterFilter, limit: int) -> tuple[list[Letter], str]:
    """The oldest that fit, and why one that is older than the last of them, or than the limit, does not."""
    session.freshen()
    conditions, given = letters.where(session, which)
    statement = CHOSEN.format(where=conditions)
    choice = Choice(session)
    after = 0
    while len(choice.taken) < limit:
        asked = {**given, "after": after, "shut": as_json(list(choice.shut)), "limit": limit - len(choice.taken)}
        page = LETTERS.decode(session.value(statement, asked))
        if not page:
            break
        for letter in page:
            choice.judge(letter)
        after = page[-1][0]
    return choice.taken, choice.refused


class Choice:
    """``shut``: queues that take no more."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.taken: list[Letter] = []
        self.rooms: dict[int, int | None] = {}
        self.shut: set[int] = set()
        self.refused = ""

    def judge(self, letter: Letter) -> None:
        queue = letter[1]
        room = self.room(queue)
        if room is not None and room <= 0:
            self.shut.add(queue)
            self.refused = self.refused or why_not(self.session, queue)
            return
        self.taken.append(letter)
        if room is not None:
            self.rooms[queue] = room - 1

    def room(self, queue: int) -> int | None:
        """How many more go in; None: any number."""
        if queue not in self.rooms:
            self.rooms[queue] = bounds.room(self.session, queue) if queue in self.session.names else 0
        return self.rooms[queue]


def why_not(session: Session, queue: int) -> str:
    name = session.queue_name(queue)
    declared = session.directory.special.get(queue)
    if queue not in session.names:
        return f"{name} is not there any more: declare it again and import what was exported, or purge these letters"
    most = declared.max_length if declared is not None else None
    return f"queue {name!r} is full: {most} messages wait in it (max_length); redrive the rest when there is room"


def send_back(session: Session, chosen: Sequence[Letter], pace: Pace) -> None:
    """New messages with what the letters had. Their own time of expiry is over; their queue's counts from now on. A unique
    key that nobody has meanwhile is taken again until they are done."""
    now = session.clock()
    session.bump("redriven", len(chosen))
    first = session.bump("seq", len(chosen)) - len(chosen) + 1
    times = pace.times(now, len(chosen))
    rows = [
        (number, due_at, expiry(session, queue, due_at or now))
        for (number, queue), due_at in zip(chosen, times, strict=True)
    ]
    session.connection.execute(REDRIVE, (as_json(rows), first, now))
    session.connection.execute(READY, (first,))
    session.connection.execute(DUE, (first,))
    session.connection.execute(CLAIM, (first, session.clock()))
    lanes.enter_since(session, first)


def expiry(session: Session, queue: int, ready_at: float) -> float | None:
    declared = session.directory.special.get(queue)
    return None if declared is None or declared.ttl_s is None else ready_at + declared.ttl_s

"""What the embedded engine means, in as few lines as it can be said: queues with lanes and bounds, routes, and a store."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field, replace

Key = tuple[str, str]
Binding = tuple[str, str, str]
"""Exchange, pattern, and to which queue or exchange."""

Answer = tuple[str | None, int] | str
"""The id it is a repeat of and to how many queues it goes; or why it is refused."""


@dataclass(frozen=True)
class Rules:
    """Of one queue."""

    most: int | None = None
    overflow: str = ""
    ttl_s: float | None = None


@dataclass
class Entry:
    """One message in one queue. ``place``: ready, delayed, follower (behind its lane's head), suspect or held."""

    seq: int
    id: str
    queue: str
    priority: int = 4
    key: str | None = None
    skips: bool = False
    unique: str | None = None
    unique_ttl_s: float | None = None
    due_at: float | None = None
    expires_at: float | None = None
    body: bytes = b""
    place: str = "ready"
    attempt: int = 1
    crashes: int = 0
    deaths: int = 1
    edited: bool = False
    holder: int = 0
    suspect: bool = False
    begun: bool = False

    @property
    def order(self) -> tuple[int, int]:
        return (-self.priority, self.seq)

    @property
    def lane(self) -> Key | None:
        return None if self.key is None else (self.queue, self.key)


@dataclass
class Sending:
    """One send: ``exchange`` "" goes straight to the queue ``key``. ``entry``: the message, not in any queue yet."""

    exchange: str
    key: str
    entry: Entry
    dedupe: bool = False
    mandatory: bool = False


def takes(pattern: list[str], key: list[str]) -> bool:
    """Word by word; `#` by trying every length."""
    if not pattern:
        return not key
    if pattern[0] == "#":
        return any(takes(pattern[1:], key[start:]) for start in range(len(key) + 1))
    return bool(key) and pattern[0] in ("*", key[0]) and takes(pattern[1:], key[1:])


@dataclass
class Reference:
    rules: dict[str, Rules]
    kinds: dict[str, str]
    bindings: set[Binding] = field(default_factory=set)
    now: float = 1_000_000.0
    seq: int = 0
    entries: dict[int, Entry] = field(default_factory=dict)
    heads: dict[Key, int] = field(default_factory=dict)
    dead: list[Entry] = field(default_factory=list)
    owners: dict[str, tuple[str, float | None]] = field(default_factory=dict)
    inbox: set[Key] = field(default_factory=set)
    handled: set[Key] = field(default_factory=set)
    marks: set[str] = field(default_factory=set)
    unrouted: int = 0
    documents: dict[str, tuple[str, str, float | None]] = field(default_factory=dict)

    # Routing

    def reached(self, sending: Sending) -> set[str] | None:
        if not sending.exchange:
            return {sending.key} if sending.key in self.rules else None
        queues: set[str] = set()
        passed: set[str] = set()
        ahead = [sending.exchange]
        while ahead:
            exchange = ahead.pop()
            for source, pattern, to in self.bindings if exchange not in passed else ():
                fits = self.kinds[source] == "fanout" or takes(pattern.split("."), sending.key.split("."))
                if source == exchange and fits:
                    (ahead.append if to in self.kinds else queues.add)(to)
            passed.add(exchange)
        return queues if sending.exchange in self.kinds else None

    # Sending

    def send(self, batch: list[Sending], *, together: bool = False) -> list[Answer]:
        """One after the other; then those that make room bury their oldest. ``together``: all of them, or none."""
        before = copy.deepcopy(self.__dict__)
        went_to: set[str] = set()
        answers = [self.send_one(each, went_to) for each in batch]
        if together and any(isinstance(answer, str) for answer in answers):
            self.__dict__ = before
        else:
            for queue in went_to:
                self.make_room(queue)
        return answers

    def send_one(self, sending: Sending, went_to: set[str]) -> Answer:
        entry, route = sending.entry, self.reached(sending)
        if route is None or (not route and sending.mandatory):
            return "unroutable"
        if not route:
            self.unrouted += 1
            return None, 0
        new = {queue for queue in route if not (sending.dedupe and (queue, entry.id) in self.inbox)}
        first = self.owner(entry.unique) if new else entry.id
        if first is not None:
            return first, len(route)
        no_room = {self.rules[queue].overflow for queue in new if self.room(queue) == 0} - {"drop_oldest"}
        if no_room:
            return "full" if "reject" in no_room else "blocked"
        if entry.unique is not None:
            until = None if entry.unique_ttl_s is None else self.now + entry.unique_ttl_s
            self.owners[entry.unique] = (entry.id, until)
        self.inbox |= {(queue, entry.id) for queue in new if sending.dedupe}
        for queue in new:
            self.add(replace(entry, queue=queue, expires_at=self.expiry(queue)))
        went_to |= new
        return None, len(new)

    def owner(self, unique: str | None) -> str | None:
        """Whose the key is now."""
        id, until = self.owners.get(unique or "", ("", self.now))
        return id if until is None or until > self.now else None

    def expiry(self, queue: str) -> float | None:
        ttl_s = self.rules[queue].ttl_s
        return None if ttl_s is None else self.now + ttl_s

    def waiting(self, queue: str) -> list[Entry]:
        """Oldest first."""
        return sorted((e for e in self.entries.values() if e.queue == queue and e.place != "held"), key=lambda e: e.seq)

    def room(self, queue: str) -> int | None:
        most = self.rules[queue].most
        return None if most is None else max(0, most - len(self.waiting(queue)))

    def make_room(self, queue: str) -> None:
        most = self.rules[queue].most
        if most is not None and self.rules[queue].overflow == "drop_oldest":
            for entry in self.waiting(queue)[: max(0, len(self.waiting(queue)) - most)]:
                self.take_out(entry)
                self.dead.append(entry)

    def add(self, entry: Entry) -> None:
        self.seq += 1
        entry.seq = self.seq
        self.entries[entry.seq] = entry
        entry.place = "delayed" if entry.due_at is not None else "follower" if entry.key is not None else "ready"
        self.fill(entry.lane)

    def fill(self, lane: Key | None) -> None:
        """A lane without a head takes its first follower, which is ready."""
        followers = [e for e in self.entries.values() if e.lane == lane and e.place == "follower"]
        if lane is not None and lane not in self.heads and followers:
            first = min(followers, key=lambda e: e.seq)
            self.heads[lane] = first.seq
            first.place = "ready"

    # Taking

    def promote(self) -> None:
        """What is due is ready, or follows in its lane."""
        for entry in sorted(self.entries.values(), key=lambda e: e.seq):
            if entry.place == "delayed" and entry.due_at is not None and entry.due_at <= self.now:
                is_free = entry.lane is None or self.heads.get(entry.lane) == entry.seq
                entry.place = "ready" if is_free else "follower"
        for lane in {entry.lane for entry in self.entries.values()}:
            self.fill(lane)

    def claim(self, queue: str, limit: int, holder: int, *, alone: bool = False) -> list[Entry]:
        self.promote()
        waiting = [e for e in self.waiting(queue) if e.place == ("suspect" if alone else "ready")]
        taken = sorted(waiting, key=lambda e: (e.seq,) if alone else e.order)[: 1 if alone else limit]
        for entry in taken:
            entry.place, entry.holder, entry.suspect, entry.begun = "held", holder, alone, False
        return taken

    def begin(self, entry: Entry) -> None:
        entry.begun = True
        entry.crashes += 1

    # Settling

    def leave(self, entry: Entry) -> None:
        """Out of its lane."""
        if entry.lane is not None and self.heads.get(entry.lane) == entry.seq:
            del self.heads[entry.lane]
            self.fill(entry.lane)

    def remove(self, entry: Entry) -> None:
        """What was held leaves."""
        self.take_out(entry)
        self.marks.discard(entry.id)

    def take_out(self, entry: Entry) -> None:
        del self.entries[entry.seq]
        if entry.unique is not None and self.owners.get(entry.unique) == (entry.id, None):
            del self.owners[entry.unique]
        self.leave(entry)

    def reject(self, entry: Entry, crashes: int) -> None:
        self.remove(entry)
        entry.crashes = crashes
        self.dead.append(entry)

    def release(self, entry: Entry, delay_s: float, counted: bool, crashes: int) -> None:
        entry.attempt += counted
        entry.crashes = crashes
        if entry.suspect and not counted and delay_s == 0:
            entry.place = "suspect"
            return
        entry.due_at = self.now + delay_s if delay_s else None
        entry.place = "delayed" if delay_s else "ready"
        if entry.lane is not None and entry.skips:
            self.leave(entry)
            entry.place = "delayed" if delay_s else "follower"
            self.fill(entry.lane)

    # Holders

    def give_back(self, holder: int, running: set[Key], *, died: bool) -> int:
        """All that a holder has comes back; what ran when it died is charged and suspect."""
        held = [e for e in self.entries.values() if e.place == "held" and e.holder == holder]
        for entry in held:
            charged = died and (entry.queue, entry.id) in running and not entry.suspect
            entry.crashes += charged
            entry.crashes -= entry.begun and not died
            entry.place = "suspect" if charged or entry.suspect else "ready"
        return len(held)

    # Operating

    def cancel(self, ids: set[str]) -> list[str]:
        found = [entry for entry in self.entries.values() if entry.id in ids]
        self.marks |= {entry.id for entry in found if entry.place == "held"}
        for entry in [entry for entry in found if entry.place != "held"]:
            self.take_out(entry)
        return sorted(entry.id for entry in found)

    def purge(self, queue: str, limit: int) -> int:
        gone = self.waiting(queue)[:limit]
        for entry in gone:
            self.take_out(entry)
        return len(gone)

    def redrive(self, limit: int) -> tuple[int, bool]:
        """How many, and whether one of them found no room."""
        chosen: list[Entry] = []
        refused = False
        for entry in list(self.dead):
            if len(chosen) == limit:
                break
            if self.room(entry.queue) == 0:
                refused = True
                continue
            self.dead.remove(entry)
            chosen.append(entry)
            fresh = replace(entry, attempt=1, crashes=0, due_at=None, suspect=False, begun=False)
            self.add(replace(fresh, deaths=entry.deaths + 1, expires_at=self.expiry(entry.queue)))
            if entry.unique is not None and entry.unique_ttl_s is None and self.owner(entry.unique) is None:
                self.owners[entry.unique] = (entry.id, None)
        return len(chosen), refused

    # Documents

    def visible(self) -> dict[str, tuple[str, str, float | None]]:
        return {key: each for key, each in self.documents.items() if each[2] is None or each[2] > self.now}

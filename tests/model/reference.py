"""What the embedded engine means, in as few lines as it can be said: a queue with lanes, and a store of documents."""

from __future__ import annotations

from dataclasses import dataclass, field

Key = tuple[str, str]


@dataclass
class Entry:
    """One message. ``place``: ready, delayed, follower (behind its lane's head), suspect or held."""

    seq: int
    id: str
    queue: str
    priority: int = 4
    key: str | None = None
    skips: bool = False
    unique: str | None = None
    due_at: float | None = None
    place: str = "ready"
    attempt: int = 1
    crashes: int = 0
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
class Reference:
    now: float = 1_000_000.0
    seq: int = 0
    entries: dict[int, Entry] = field(default_factory=dict)
    heads: dict[Key, int] = field(default_factory=dict)
    dead: list[Entry] = field(default_factory=list)
    owners: dict[str, tuple[str, float | None]] = field(default_factory=dict)
    inbox: set[Key] = field(default_factory=set)
    marks: set[str] = field(default_factory=set)
    documents: dict[str, tuple[str, str, float | None]] = field(default_factory=dict)

    # Sending

    def publish(self, entry: Entry, *, dedupe: bool = False, ttl_s: float | None = None) -> str | None:
        """The id it is a repeat of; None when it was taken."""
        if dedupe and (entry.queue, entry.id) in self.inbox:
            return entry.id
        owner = self.owners.get(entry.unique or "")
        if owner is not None and (owner[1] is None or owner[1] > self.now):
            return owner[0]
        if dedupe:
            self.inbox.add((entry.queue, entry.id))
        if entry.unique is not None:
            self.owners[entry.unique] = (entry.id, None if ttl_s is None else self.now + ttl_s)
        self.add(entry)
        return None

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
        waiting = [
            e for e in self.entries.values() if e.queue == queue and e.place == ("suspect" if alone else "ready")
        ]
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
        del self.entries[entry.seq]
        self.marks.discard(entry.id)
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

    def give_back(self, holder: int, running: set[int], *, died: bool) -> int:
        """All that a holder has comes back; what ran when it died is charged and suspect."""
        held = [e for e in self.entries.values() if e.place == "held" and e.holder == holder]
        for entry in held:
            charged = died and entry.seq in running and not entry.suspect
            entry.crashes += charged
            entry.crashes -= entry.begun and not died
            entry.place = "suspect" if charged or entry.suspect else "ready"
        return len(held)

    # Operating

    def cancel(self, ids: set[str]) -> set[str]:
        found = [entry for entry in self.entries.values() if entry.id in ids]
        for entry in found:
            if entry.place == "held":
                self.marks.add(entry.id)
        for entry in [entry for entry in found if entry.place != "held"]:
            marked = entry.id in self.marks
            self.remove(entry)
            self.marks.update({entry.id} if marked else ())
        return {entry.id for entry in found}

    def redrive(self, limit: int) -> int:
        chosen, self.dead = self.dead[:limit], self.dead[limit:]
        for entry in chosen:
            self.add(Entry(0, entry.id, entry.queue, entry.priority, entry.key, entry.skips, entry.unique))
        return len(chosen)

    # Documents

    def visible(self) -> dict[str, tuple[str, str, float | None]]:
        return {key: each for key, each in self.documents.items() if each[2] is None or each[2] > self.now}

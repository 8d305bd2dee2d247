"""Is a child alive, and does it get on? Judged from its start slots alone, for a child that hangs answers nothing.

A long handler is no stall: the engine's loop goes on beating beside it. What stops the beat is a call that holds the
GIL, or a process that was stopped; what stops the user loop's beat is a coroutine that blocks it.
"""

from __future__ import annotations

import msgspec

from postroad.worker.slots import Reading


class Mark(msgspec.Struct):
    """A number, and since when (monotonic seconds) it has not moved."""

    value: int
    since: float

    def look(self, value: int, now: float) -> float:
        """Seconds since it moved last."""
        if value != self.value:
            self.value, self.since = value, now
        return now - self.since


class Vitals:
    """``coroutine_slots``: which slots run on the user's loop."""

    def __init__(self, coroutine_slots: range, now: float) -> None:
        self.coroutine_slots = coroutine_slots
        self.forgive(now)

    def forgive(self, now: float) -> None:
        """Begin anew: nobody was looking for a while, or could have beaten."""
        self.engine = Mark(-1, now)
        self.user = Mark(-1, now)
        self.progress = Mark(-1, now)
        self.handlers: dict[int, Mark] = {}
        self.told: set[tuple[int, int]] = set()

    def look(self, reading: Reading, now: float) -> None:
        """Take in what the slots say now."""
        self.engine_still_s = self.engine.look(reading.engine_beat, now)
        on_user_loop = any(slot in self.coroutine_slots for slot in reading.busy)
        user_still_s = self.user.look(reading.user_beat, now)
        if not on_user_loop:
            self.user.since = now
        self.user_still_s = user_still_s if on_user_loop else 0.0
        self.progress_still_s = self.progress.look(reading.progress, now)
        self.busy = bool(reading.busy)
        self.handlers = {slot: self.handler_mark(slot, reading, now) for slot in reading.busy}

    def handler_mark(self, slot: int, reading: Reading, now: float) -> Mark:
        beat = reading.handler_beats[slot]
        mark = self.handlers.get(slot)
        return mark if mark is not None and mark.value == beat else Mark(beat, now)

    def stalled(self, limit_s: float) -> str:
        """Why this child must be killed; "" when it lives."""
        if self.engine_still_s > limit_s:
            return f"no thread of it has run for {self.engine_still_s:.0f} s (a call that holds the GIL, or a stopped process)"
        if self.user_still_s > limit_s:
            return f"its event loop has not turned for {self.user_still_s:.0f} s (a coroutine that blocks)"
        return ""

    def overdue(self, limit_s: float, now: float) -> int:
        """How many handlers have newly been running for longer than this; each is told once."""
        late = {(slot, mark.value) for slot, mark in self.handlers.items() if now - mark.since > limit_s}
        new = late - self.told
        self.told |= new
        return len(new)

    def idle_in_vain(self, limit_s: float) -> bool:
        """Nothing runs and the consumer does not turn: a fault if messages wait."""
        return not self.busy and self.progress_still_s > limit_s

"""Message ids by the clock and the system's entropy, drawn in blocks; core.ids says how they look."""

from __future__ import annotations

import os
import threading
import time

from postroad.core.ids import time_ordered_id
from postroad.engine.forks import on_fork

BLOCK = 512
COUNTER_MAX = 0xFFF


class IdSource:
    """Ids that grow: in one process, each is above the one before it, also when the clock steps back."""

    __slots__ = ("__weakref__", "counter", "entropy", "lock", "milliseconds")

    def __init__(self) -> None:
        self.after_fork()
        on_fork(self)

    def after_fork(self) -> None:
        """Entropy drawn before the fork belongs to the parent."""
        self.lock = threading.Lock()
        self.entropy: list[int] = []
        self.milliseconds = 0
        self.counter = 0

    def next(self) -> str:
        """A new id. From any thread."""
        with self.lock:
            return self.draw(time.time_ns() // 1_000_000)

    def draw(self, now_ms: int) -> str:
        if now_ms > self.milliseconds:
            self.milliseconds, self.counter = now_ms, 0
        elif self.counter < COUNTER_MAX:
            self.counter += 1
        else:
            self.milliseconds, self.counter = self.milliseconds + 1, 0
        if not self.entropy:
            self.entropy = memoryview(os.urandom(BLOCK * 8)).cast("Q").tolist()
        return time_ordered_id(self.milliseconds, self.counter, self.entropy.pop())


IDS = IdSource()
new_id = IDS.next

"""Message ids by the clock and the system's entropy, drawn in blocks; core.ids says how they look."""

from __future__ import annotations

import os
import threading
import time

from postroad.core.ids import id_head, id_tails
from postroad.engine.forks import on_fork

BLOCK_BYTES = 7_680
COUNTER_MAX = 0xFFF


class IdSource:
    """Ids that grow: in one process, each is above the one before it, also when the clock steps back."""

    __slots__ = ("__weakref__", "counter", "head", "lock", "milliseconds", "tails")

    def __init__(self) -> None:
        self.after_fork()
        on_fork(self)

    def after_fork(self) -> None:
        """Entropy drawn before the fork belongs to the parent."""
        self.lock = threading.Lock()
        self.tails: list[str] = []
        self.milliseconds = self.counter = 0
        self.head = ""

    def next(self) -> str:
        """A new id. From any thread."""
        with self.lock:
            self.tick(time.time_ns() // 1_000_000)
            if not self.tails:
                self.tails = id_tails(os.urandom(BLOCK_BYTES).hex())
            return f"{self.head}{self.counter:03x}{self.tails.pop()}"

    def tick(self, now_ms: int) -> None:
        """The next number of this millisecond; of the next one, when all are used."""
        if now_ms <= self.milliseconds and self.counter < COUNTER_MAX:
            self.counter += 1
            return
        self.milliseconds = max(now_ms, self.milliseconds + 1)
        self.counter = 0
        self.head = id_head(self.milliseconds)


IDS = IdSource()
new_id = IDS.next

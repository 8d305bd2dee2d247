"""Where handlers run: the port between the consumer and threads, coroutines and processes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from postroad.core.outcome import Settlement
from postroad.engine.handler import Job

Ended = Settlement | list[tuple[Job, Settlement]]
"""How a job ended; of a batch, how each of it did."""

Done = Callable[[Job, Ended], None]
"""Called from any thread, once a job. Cheap: it appends and, when nobody is awake yet, wakes the consumer."""


class Slots(Protocol):
    """Where starts are noted before a handler runs (core.slots)."""

    def enter(self, slot: int, receipt: tuple[int, int]) -> None: ...
    def leave(self, slot: int) -> None: ...
    def enter_many(self, slot: int, receipts: Sequence[tuple[int, int]]) -> None:
        """A batch starts here."""

    def leave_many(self, slot: int) -> None: ...


class Executor(Protocol):
    """Runs jobs, at most ``capacity`` at once; the rest waits inside, in order."""

    @property
    def capacity(self) -> int:
        """How many it can put to use at once, as things are: it may grow with use."""

    def start(self, done: Done) -> None: ...
    def submit(self, jobs: Sequence[Job]) -> None:
        """Take them all; never blocks. From the engine's loop."""

    def withdraw(self) -> Sequence[Job]:
        """Take back every job that has not started. From the engine's loop."""

    def close(self, timeout_s: float) -> None:
        """Stop taking; wait up to ``timeout_s`` for what runs. Blocking: not on the engine's loop."""

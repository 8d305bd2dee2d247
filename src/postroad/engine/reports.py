"""What a consumer tells the store now and then: how far its handlers are, and what it has counted."""

from __future__ import annotations

import contextlib
import time

from postroad.core.writes import Put
from postroad.engine.statistics import Statistics
from postroad.errors import EngineError
from postroad.ports.store import Store

PROGRESS_EVERY_S = 0.2
PROGRESS_KEPT_S = 86400.0


class Reports:
    """``progresses``: the latest of each message since the last flush; any thread may add to it."""

    def __init__(self, store: Store | None, statistics: Statistics | None) -> None:
        self.store = store
        self.statistics = statistics
        self.progresses: dict[str, str] = {}
        self.flushed_at = 0.0

    @property
    def patience_s(self) -> float | None:
        """How soon to flush again, whatever else happens; None: no hurry."""
        if self.progresses:
            return PROGRESS_EVERY_S
        return 1.0 if self.statistics is not None and self.statistics.changed else None

    async def flush(self, *, last: bool = False) -> None:
        """Write down what is new, at most every PROGRESS_EVERY_S; ``last``: in any case."""
        now = time.time()
        if self.store is None or not (last or not 0 <= now - self.flushed_at < PROGRESS_EVERY_S):
            return
        self.flushed_at = now
        latest, self.progresses = self.progresses, {}
        puts = [Put("progress", id, value, expires_at=now + PROGRESS_KEPT_S) for id, value in latest.items()]
        if self.statistics is not None:
            puts += self.statistics.flush_all(now) if last else self.statistics.flush(now)
        if puts:
            with contextlib.suppress(EngineError):
                await self.store.commit(puts)

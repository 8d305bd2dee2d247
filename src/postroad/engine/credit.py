"""How many deliveries to hold: what the executors can run now, and about 50 ms of work behind it.

Holding little keeps slow tasks free for other workers and makes a crash cheap; holding much makes fast tasks fast,
for each turn then settles and claims many at once.
"""

from __future__ import annotations

AHEAD_S = 0.05
SMOOTHING = 0.3
RATE_MIN_S = 0.02


class Credit:
    """``slots``: handlers that can run at once. ``prefetch``: never more held than this, slots included."""

    def __init__(self, slots: int, prefetch: int) -> None:
        self.slots = slots
        self.prefetch = max(prefetch, 1)
        self.rate_per_s = 0.0
        self.since: float | None = None
        self.ended = 0

    def finished(self, count: int, now: float) -> None:
        """``count`` handlers ended since the last call; ``now`` in monotonic seconds."""
        if self.since is None:
            self.since = now
        self.ended += count
        elapsed = now - self.since
        if elapsed >= RATE_MIN_S:
            sample = self.ended / elapsed
            self.rate_per_s += (sample - self.rate_per_s) * (1.0 if sample > self.rate_per_s else SMOOTHING)
            self.since, self.ended = now, 0

    def idle(self) -> None:
        """Nothing runs: the time until something does is no sign of slowness."""
        self.since = None

    @property
    def target(self) -> int:
        """How many to hold."""
        return max(min(self.slots + int(self.rate_per_s * AHEAD_S), self.prefetch), 1)

    def room(self, held: int) -> int:
        return max(self.target - held, 0)

    def surplus(self, held: int) -> int:
        """How many are held that would wait far too long here."""
        return held - 2 * self.target if held > 2 * self.target + self.slots else 0

"""When a dead child is started again: soon, but later each time that it did not live long."""

from __future__ import annotations

import random

FIRST_S = 0.1
MAX_S = 30.0
HEALTHY_S = 30.0
EXPONENT_MAX = 16


class Backoff:
    """One seat's deaths. The first costs about 0.1 s, the next twice that, up to 30 s; 30 s of life forgive all."""

    def __init__(self) -> None:
        self.deaths = 0

    def died(self, lived_s: float) -> float:
        """Seconds to wait before the next start, jittered so that children that die together return apart."""
        self.deaths = 1 if lived_s >= HEALTHY_S else self.deaths + 1
        whole: float = min(FIRST_S * 2 ** min(self.deaths - 1, EXPONENT_MAX), MAX_S)
        return whole * (0.5 + random.random() / 2)

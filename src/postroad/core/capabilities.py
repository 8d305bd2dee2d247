"""What an engine can do, as amounts and facts. Each is proved by the conformance suite."""

from __future__ import annotations

from enum import Enum

import msgspec


class Settling(Enum):
    """EACH: any held delivery on its own. CURSOR: only everything up to a position."""

    EACH = "each"
    CURSOR = "cursor"


class Ordering(Enum):
    """NONE, LANE (per key) or TOTAL."""

    NONE = "none"
    LANE = "lane"
    TOTAL = "total"


class Starts(Enum):
    """Who counts handler starts that ended in a crash."""

    BROKER = "broker"
    STORE = "store"
    NONE = "none"


class Capabilities(msgspec.Struct, frozen=True):
    """Amounts are seconds, bytes or counts; None means without limit."""

    settling: Settling = Settling.EACH
    ordering: Ordering = Ordering.LANE
    outcomes: tuple[str, ...] = ("accept", "release", "reject")
    delay_max_s: float | None = None
    lease_s: float | None = None
    priority_levels: int = 10
    replay: bool = False
    exchanges: tuple[str, ...] = ()
    starts: Starts = Starts.STORE
    give_back_uncounted: bool = True
    atomic_with: tuple[str, ...] = ()
    peek: bool = True
    max_length: tuple[str, ...] = ()
    batch_max: int = 1000
    body_bytes_max: int = 16 * 1024 * 1024
    headers_bytes_max: int = 64 * 1024
    unrouted: bool = True
    dead_letters: bool = True
    several_processes: bool = True

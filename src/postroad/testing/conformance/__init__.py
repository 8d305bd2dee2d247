"""What an engine must keep, as checks anybody can run: one module a promise.

A check is a coroutine that takes an `Engine` (how to reach the one under test, fresh and empty) and fails by raising.
It names the features it needs; what an engine does not claim is not checked, and `unclaimed` says so. With pytest:

    @pytest.mark.parametrize("check", conformance.CHECKS, ids=str)
    def test_promise(check, tmp_path):
        engine = conformance.EmbeddedEngine(tmp_path)
        if not conformance.claimed(check, conformance.features(engine)):
            pytest.skip(f"{engine.name} does not claim {', '.join(sorted(check.needs))}")
        conformance.run(check, engine)
"""

from __future__ import annotations

from postroad.testing.conformance.check import CHECKS, FEATURES, Check, claimed, features, run, unclaimed
from postroad.testing.conformance.engine import EmbeddedEngine, Engine, MemoryEngine

from . import (
    amounts,
    at_least_once,
    atomic_output,
    bounded,
    cancels,
    dead_letters,
    death_notices,
    delays,
    documents,
    drain,
    durable,
    events,
    exchanges,
    expiry,
    fencing,
    handling,
    inbox,
    isolation,
    looking,
    once,
    order,
    priority,
    queues,
    redrive,
    starts,
    temporary,
    topology,
)

PROMISES = (
    durable, at_least_once, starts, fencing, atomic_output, delays, dead_letters, order, priority, cancels, once, isolation,
    documents, drain, looking, amounts, handling,
    queues, exchanges, bounded, expiry, temporary, topology, events, redrive, death_notices, inbox,
)  # fmt: skip

__all__ = [
    "CHECKS",
    "FEATURES",
    "PROMISES",
    "Check",
    "EmbeddedEngine",
    "Engine",
    "MemoryEngine",
    "claimed",
    "features",
    "run",
    "unclaimed",
]

"""Cancelling tasks: those that wait end at once, with a record; those being held do not start."""

from __future__ import annotations

import time
from collections.abc import Sequence

from postroad.core.writes import Put
from postroad.ports.driver import Located
from postroad.tasks.documents import ENCODE, KIND, TASK_HEADER, StateDocument
from postroad.tasks.memory import Memory
from postroad.tasks.watch import last_words, unknown

REVOKED_KEEP_S = 86_400.0


async def revoke(memory: Memory, ids: Sequence[str], reason: str) -> Sequence[str]:
    """Those that had not ended. Raises NotFound for an id that nobody knows."""
    located = await memory.locate(ids)
    now = time.time()
    cancelled = await memory.cancel(ids, reason, [record(one, reason, now) for one in located])
    rest = [id for id in ids if id not in set(cancelled)]
    known = await last_words(memory, rest)
    missing = next((id for id in rest if id not in known), None)
    if missing is not None:
        raise unknown(missing)
    return cancelled


def record(located: Located, reason: str, now: float) -> Put:
    """What remains of a task that is taken back while it waits."""
    message = located.message
    document = StateDocument(
        message.headers.get(TASK_HEADER, ""), located.queue, "REVOKED", located.attempt, message.queued_at, 0.0, now, reason=reason
    )
    return Put(KIND, located.id, ENCODE(document).decode(), document.state, now + REVOKED_KEEP_S)



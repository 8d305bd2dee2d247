"""One handing-over of one message to one consumer."""

from __future__ import annotations

import msgspec

from postroad.core.message import Message


class Attempt(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """How one attempt ended badly. At most ATTEMPTS_KEPT are kept, each traceback cut to TRACEBACK_BYTES_MAX.

    ``kind``: ``error`` (the handler raised), ``crash`` (its process died), ``convicted`` (it died too often), ``unknown`` (no
    handler of that name), ``redriven`` (it was a dead letter until then), ``edited`` (so was it, and was changed).
    """

    kind: str
    error_type: str = ""
    error: str = ""
    traceback: str = ""
    started_at: float = 0.0
    ended_at: float = 0.0
    worker: str = ""


ATTEMPTS_KEPT = 20
TRACEBACK_BYTES_MAX = 8 * 1024


class Delivery(msgspec.Struct, frozen=True, gc=False):
    """A message held by a consumer.

    ``receipt`` is the engine's own handle, ``(token, seq)`` on SQLite: opaque to everybody else.
    ``attempt`` starts at 1 and counts handler runs that ended in a counted retry; ``crashes`` counts starts that
    ended with the death of the process. ``suspect``: it was (or may have been) running when a process died, so it
    runs alone. ``needs_begin``: the consumer's ``begin`` must be asked before the handler runs.
    """

    message: Message
    source: str
    receipt: tuple[int, int]
    attempt: int = 1
    crashes: int = 0
    suspect: bool = False
    needs_begin: bool = False
    history: tuple[Attempt, ...] = ()


class Begun(msgspec.Struct, frozen=True, gc=False):
    """The answer to ``begin``. ``verdict``: ``run``, ``duplicate`` or ``lost``."""

    delivery: Delivery
    verdict: str = "run"

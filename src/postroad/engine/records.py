"""What remains of a message that ended without a dead letter: dropped, a duplicate, or failed after it was accepted."""

from __future__ import annotations

import msgspec

from postroad.core.delivery import Attempt, Delivery
from postroad.core.outcome import Reject
from postroad.core.retry import Failure
from postroad.core.writes import Put, Write
from postroad.engine.handler import Ending, HandlerBase

KIND = "message"
KEEP_S = 86_400.0
KEPT = ("DROPPED", "DUPLICATE")
FAILED = ("FAILED", "DEAD", "EXPIRED")

ENCODE = msgspec.json.Encoder().encode


class MessageRecord(msgspec.Struct, frozen=True):
    """The document's value. Times are wall-clock seconds."""

    source: str
    state: str
    reason: str
    attempt: int
    queued_at: float
    ended_at: float
    worker: str = ""
    headers: dict[str, str] = {}


DECODE = msgspec.json.Decoder(MessageRecord).decode


def record(delivery: Delivery, state: str, reason: str, ended_at: float, worker: str = "") -> Put:
    """The document, kept for a day. Its key names the queue too: what an exchange gave to several has one id in all."""
    message = delivery.message
    value = MessageRecord(
        delivery.source, state, reason, delivery.attempt, message.queued_at, ended_at, worker, message.headers
    )
    return Put(KIND, f"{message.id} {delivery.source}", ENCODE(value).decode(), state, ended_at + KEEP_S)


class MessageHandlerBase(HandlerBase):
    """What handlers of messages and events have in common, who keep no state of what they handle."""

    __slots__ = ()

    def expired(self, reason: str) -> Failure:
        """A dead letter: nobody asks for a message's state, so it must be found there."""
        words = f"expired: {reason}"
        return Failure(Reject(words, Attempt("error", "Expired", reason)), "DEAD", words)

    def writes(self, delivery: Delivery, ending: Ending) -> tuple[Write, ...]:
        """A record of what leaves no dead letter; an early accepted one that fails leaves none either."""
        if ending.state in KEPT:
            return (record(delivery, ending.state, ending.reason, ending.ended_at, ending.worker),)
        if self.ack_early and ending.state in FAILED:
            return (record(delivery, "FAILED", reason_of(ending), ending.ended_at, ending.worker),)
        return ()


def reason_of(ending: Ending) -> str:
    attempt = ending.attempt
    return ending.reason or (f"{attempt.error_type}: {attempt.error}" if attempt is not None else "")

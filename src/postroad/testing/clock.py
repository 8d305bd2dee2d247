"""Time in tests: it stands still until the test lets it pass."""

from __future__ import annotations

import time

import msgspec

from postroad.core.message import Message, Send


class Clock:
    """Wall-clock seconds, as of the start of the test."""

    def __init__(self) -> None:
        self.at = time.time()

    def __call__(self) -> float:
        return self.at

    def moved(self, send: Send) -> Send:
        """What was made by the machine's clock, put on this one: sent now, and due as long from now as it was to be."""
        by_s = self.at - (send.message.queued_at or time.time())
        return Send(send.to, shifted(send.message, by_s), send.mandatory)


def shifted(message: Message, by_s: float) -> Message:
    return msgspec.structs.replace(
        message,
        queued_at=message.queued_at + by_s,
        due_at=None if message.due_at is None else message.due_at + by_s,
        expires_at=None if message.expires_at is None else message.expires_at + by_s,
    )

"""Time in tests: it stands still until the test lets it pass."""

from __future__ import annotations

import time
from collections.abc import Iterable

import msgspec

from postroad.core.message import Message, Send
from postroad.engine.handler import Handler
from postroad.reliability.sequence import SequenceGate


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


class GateClocks:
    """Gates that count the time of a gap, put on this clock for as long as the test lasts."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.gates: list[SequenceGate] = []

    def take(self, handlers: Iterable[Handler]) -> None:
        """Those of these handlers, too."""
        for handler in handlers:
            gate = handler.gate
            if isinstance(gate, SequenceGate) and gate not in self.gates:
                gate.clock = self.clock
                self.gates.append(gate)

    def give_back(self) -> None:
        """The machine's clock is theirs again."""
        for gate in self.gates:
            gate.clock = time.time
        self.gates = []

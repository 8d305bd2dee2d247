"""Waiting for room in a bounded queue: the producer stands still, not the queue's memory."""

from __future__ import annotations

import time
from collections.abc import Sequence

import msgspec

from postroad.core.message import Receipt, Refused, Send

Answers = Sequence[Receipt | Refused]

REST_MIN_S = 0.002
REST_MAX_S = 0.05


def blocked(answers: Answers) -> list[int]:
    """Which of them may be sent again once there is room."""
    return [index for index, answer in enumerate(answers) if isinstance(answer, Refused) and answer.kind == "blocked"]


def chosen(sends: Sequence[Send], indices: Sequence[int]) -> list[Send]:
    return [sends[index] for index in indices]


def replaced(answers: Answers, indices: Sequence[int], again: Answers) -> Answers:
    """The answers, with newer ones at these places."""
    newer = list(answers)
    for index, answer in zip(indices, again, strict=True):
        newer[index] = answer
    return newer


class Patience:
    """How long a producer waits for room, and how often it asks. ``timeout_s``: None for as long as it takes."""

    def __init__(self, timeout_s: float | None) -> None:
        self.timeout_s = timeout_s
        self.since = time.monotonic()
        self.rest_s = REST_MIN_S

    def next_rest_s(self) -> float | None:
        """Seconds to the next try; None when the time is over."""
        rest_s, self.rest_s = self.rest_s, min(self.rest_s * 2, REST_MAX_S)
        if self.timeout_s is None:
            return rest_s
        left_s = self.timeout_s - (time.monotonic() - self.since)
        return None if left_s <= 0 else min(rest_s, left_s)

    def exhausted(self, answers: Answers) -> Answers:
        """What is still blocked is refused as full."""
        words = f"; there was no room for {self.timeout_s:g} s (timeout). Consume faster, wait longer, or declare more room."
        return [
            msgspec.structs.replace(answer, kind="full", reason=answer.reason + words)
            if isinstance(answer, Refused) and answer.kind == "blocked"
            else answer
            for answer in answers
        ]

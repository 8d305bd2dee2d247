"""What became of every message, by the records of those who sent and handled them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

import msgspec

from postroad.testing.torture.numbers import FOLLOW, KEPT, kind_of, sent_by
from postroad.testing.torture.records import ATTEMPTED, CONFIRMED, ENDED, STARTED

Record = tuple[int, int, int]


class Tally(msgspec.Struct, frozen=True):
    """Counts of messages, except ``starts``: of handlers' starts, and ``duplicated``: of ends beyond each one's first.

    ``attempted``: a producer began to send it; ``confirmed``: it was told that the engine has it. ``messages``: those
    that were seen by a handler, among them follow-ups, and each group's copies of events. ``lost``: confirmed, or left
    with an accepted handler, and never handled. ``unexpected``: handled though nobody attempted it, or another one in the
    place of one that was handled.
    """

    attempted: int
    confirmed: int
    messages: int
    handled: int
    lost: int
    duplicated: int
    unexpected: int
    starts: int
    kept: tuple[int, ...] = ()


class Ledger:
    """The records, by number and nonce."""

    def __init__(self, records: Iterable[Record]) -> None:
        self.counts: dict[int, Counter[tuple[int, int]]] = defaultdict(Counter)
        for event, number, nonce in records:
            self.counts[event][number, nonce] += 1

    def nonces(self, event: int) -> dict[int, set[int]]:
        found: dict[int, set[int]] = defaultdict(set)
        for number, nonce in self.counts[event]:
            found[number].add(nonce)
        return found

    def lost(self) -> set[int]:
        """Numbers nobody handled: confirmed ones, and what left with handlers that ended."""
        ended = self.nonces(ENDED)
        due = set(self.nonces(CONFIRMED)) | {each for number in ended for each in sent_by(number)}
        return due - ended.keys()

    def unexpected(self) -> set[tuple[int, int]]:
        """Messages that ought not to be. Of one number there is one message, whichever was attempted."""
        attempted, ended = self.counts[ATTEMPTED], self.nonces(ENDED)
        seen = {*self.counts[STARTED], *self.counts[ENDED]}
        unknown = {each for each in seen if each[0] < FOLLOW and each not in attempted}
        asked = {each for number in ended for each in sent_by(number)}
        unasked = {each for each in seen if each[0] >= FOLLOW and each[0] not in asked}
        second = {(number, nonce) for number, nonces in ended.items() for nonce in sorted(nonces)[1:]}
        return unknown | unasked | second

    def unconfirmed(self) -> list[int]:
        """Numbers that were attempted and never confirmed."""
        return sorted(self.nonces(ATTEMPTED).keys() - self.nonces(CONFIRMED).keys())

    def tally(self) -> Tally:
        ended = self.counts[ENDED]
        return Tally(
            attempted=len(self.nonces(ATTEMPTED)),
            confirmed=len(self.nonces(CONFIRMED)),
            messages=len({*self.counts[STARTED], *ended}),
            handled=len(self.nonces(ENDED)),
            lost=len(self.lost()),
            duplicated=sum(ended.values()) - len(ended),
            unexpected=len(self.unexpected()),
            starts=sum(self.counts[STARTED].values()),
            kept=tuple(sorted(number for number in self.nonces(ENDED) if number < FOLLOW and kind_of(number) == KEPT)),
        )

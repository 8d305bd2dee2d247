"""The outcome of a torture: numbers, and whether they will do."""

from __future__ import annotations

import msgspec

from postroad.testing.torture.tally import Tally


class Kills(msgspec.Struct):
    """How often what was killed. ``children``: how many child processes that ended, in all."""

    child: int = 0
    supervisor: int = 0
    tree: int = 0
    producer: int = 0
    children: int = 0


class Verdict(msgspec.Struct, frozen=True):
    """``depth``: messages left in the queue; ``dead``: dead letters of this run; ``results_lost``: results that were to
    be kept and are not there; ``orphans``: processes left behind; ``slots``: handlers one child runs at once."""

    rounds: int
    seed: int
    seconds: float
    tally: Tally
    kills: Kills
    slots: int
    depth: int
    dead: int
    results_lost: int
    orphans: int

    @property
    def starts_max(self) -> int:
        """A message is started once, and once more for each time it ran when its child was killed."""
        return self.tally.messages + self.kills.children * self.slots

    @property
    def faults(self) -> list[str]:
        """What is wrong, in words; nothing when it held."""
        tally = self.tally
        counts = {
            "lost": tally.lost,
            "unexpected": tally.unexpected,
            "left in the queue": self.depth,
            "dead letters": self.dead,
            "results lost": self.results_lost,
            "processes left behind": self.orphans,
            "starts above their bound": max(0, tally.starts - self.starts_max),
        }
        return [f"{count:,} {what}" for what, count in counts.items() if count]

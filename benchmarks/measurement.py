"""A measurement: who enters, what one turn yields, and how its table reads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.roster import ROSTER
from benchmarks.stage import Stage

Sample = dict[str, float]


@dataclass(frozen=True)
class Figure:
    """A column: the key in the samples, its heading with the unit, and its digits after the point."""

    key: str
    heading: str
    digits: int = 0


@dataclass(frozen=True)
class Entrant:
    """A row: a contestant, with what is particular to its turn; `over` names the row it is divided into."""

    label: str
    contestant: str
    over: str | None = None
    count: int = 0
    note: str = ""

    @property
    def tasks_share(self) -> float:
        return ROSTER[self.contestant].tasks_share


@dataclass(frozen=True)
class Turn:
    """What a turn is given: the stage, its row, and how many tasks it may use."""

    stage: Stage
    entrant: Entrant
    tasks: int
    quick: bool

    def scaled(self, full: int, least: int) -> int:
        """A count that is not a drain's: the full one, or in a quick run the least that shows it works."""
        return least if self.quick else full


@dataclass(frozen=True)
class Measurement:
    name: str
    title: str
    about: str
    figures: tuple[Figure, ...]
    entrants: tuple[Entrant, ...]
    measure: Callable[[Turn], Sample]
    ratio_heading: str = ""
    runs_min: int = 1
    runs_max: int = 100

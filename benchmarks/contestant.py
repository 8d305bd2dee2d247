"""A contestant: which app module its producers and workers import, and the commands that start its workers.

Every app module offers the same verbs (see `benchmarks.apps`), so a contestant is data.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

FILE_VARIABLE = "BENCHMARK_FILE"
REDIS_VARIABLE = "BENCHMARK_REDIS"
RESULTS_VARIABLE = "BENCHMARK_RESULTS"
KIND_VARIABLE = "BENCHMARK_KIND"
BINDINGS_VARIABLE = "BENCHMARK_BINDINGS"

Commands = list[list[str]]


@dataclass(frozen=True)
class Contestant:
    name: str
    app: str
    packages: tuple[str, ...]
    commands: Callable[[int, int], Commands]
    tasks_share: float = 1.0
    redis: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def module(self) -> str:
        return f"benchmarks.apps.{self.app}"


def python(module: str, *arguments: object) -> list[str]:
    """A command of this interpreter."""
    return [sys.executable, "-m", module, *map(str, arguments)]

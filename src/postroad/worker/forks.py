"""A handler may fork. The copy must not settle, report or write start slots in its parent's name."""

from __future__ import annotations

import os
import sys

from postroad.engine.forks import on_fork


class Forks:
    """How many forks lie between the first process and this one. Read around every handler, so it is one attribute."""

    __slots__ = ("__weakref__", "count")

    def __init__(self) -> None:
        self.count = 0

    def after_fork(self) -> None:
        self.count += 1


FORKS = Forks()
on_fork(FORKS)


def leave() -> None:
    """End a copy whose handler returned into the worker's code: what it computed belongs to nobody."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            pass
    os._exit(0)

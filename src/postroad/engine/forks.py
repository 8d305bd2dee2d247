"""What must be made anew in a forked child: threads are gone there, and locks may be held by nobody."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable
from typing import Any

from postroad.engine.context import CURRENT

FORGET: weakref.WeakSet[Any] = weakref.WeakSet()


def on_fork(thing: Any) -> None:
    """Call ``thing.after_fork()`` in every forked child for as long as ``thing`` lives."""
    FORGET.add(thing)


def after_fork() -> None:
    """A child forked by a handler is no handler: what it sends would wait for an outcome that never comes."""
    CURRENT.set(None)
    for thing in list(FORGET):
        thing.after_fork()


def register(hook: Callable[[], None]) -> None:
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=hook)


register(after_fork)

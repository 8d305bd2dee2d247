"""Floors above the app that its verbs start: the worker, the inspection, the test harness. Filled in by the package."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from postroad.errors import NotSupported

HOSTED: dict[str, Callable[..., Any]] = {}


def install(**makers: Callable[..., Any]) -> None:
    """``worker(app, **options)``, ``inspect(run)`` and ``testing(app)``: each imports what it needs when it is called."""
    HOSTED.update(makers)


def make(what: str, *args: Any, **options: Any) -> Any:
    """What that maker makes."""
    maker = HOSTED.get(what)
    if maker is None:
        raise NotSupported(f"app.{what}: not built yet")
    return maker(*args, **options)

"""Names of the public surface that are not built yet: present, typed, and saying so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

from postroad.core.durations import Duration
from postroad.errors import NotSupported

T = TypeVar("T")
Declared = TypeVar("Declared", bound=Callable[[], Any])


def not_built(name: str) -> NoReturn:
    raise NotSupported(f"{name}: not built yet")


class Unbuilt:
    """Each raises NotSupported."""

    def stream(self, name: str, **options: Any) -> NoReturn:
        """A stream. Not built yet."""
        not_built("app.stream")

    def consumer(self, **options: Any) -> NoReturn:
        """Handle several streams. Not built yet."""
        not_built("app.consumer")

    def schedule(self, cron: str | None = None, *, every: Duration | None = None, **options: Any) -> Callable[[Declared], Declared]:
        """Run a task by the clock. Not built yet."""
        not_built("app.schedule")

    @property
    def control(self) -> NoReturn:
        """Limits, pause and resume. Not built yet."""
        not_built("app.control")

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

    def queue(self, name: str, **options: Any) -> NoReturn:
        """A queue of raw messages. Not built yet: tasks name theirs with @app.task(queue=...)."""
        not_built("app.queue")

    def exchange(self, name: str, kind: str = "topic", **options: Any) -> NoReturn:
        """An exchange. Not built yet."""
        not_built("app.exchange")

    def stream(self, name: str, **options: Any) -> NoReturn:
        """A stream. Not built yet."""
        not_built("app.stream")

    def consumer(self, **options: Any) -> NoReturn:
        """Handle several streams. Not built yet."""
        not_built("app.consumer")

    def schedule(self, cron: str | None = None, *, every: Duration | None = None, **options: Any) -> Callable[[Declared], Declared]:
        """Run a task by the clock. Not built yet."""
        not_built("app.schedule")

    def outbox(self, connection: Any) -> NoReturn:
        """Send inside the caller's own transaction. Not built yet."""
        not_built("app.outbox")

    def dead_letters(self, source: Any = None) -> NoReturn:
        """Dead letters. Not built yet here: use ``postroad dead-letters``."""
        not_built("app.dead_letters")

    def on_dead_letter(self, **options: Any) -> NoReturn:
        """Handle dead letters. Not built yet."""
        not_built("app.on_dead_letter")

    @property
    def control(self) -> NoReturn:
        """Limits, pause and resume. Not built yet."""
        not_built("app.control")

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

    def event(self, name: str, *, key: str | None = None) -> Callable[[type[T]], type[T]]:
        """Declare an event over a dataclass or a pydantic model. Not built yet."""
        not_built("app.event")

    def publish(self, event: Any, **options: Any) -> NoReturn:
        """Publish an event. Not built yet."""
        not_built("app.publish")

    async def apublish(self, event: Any, **options: Any) -> NoReturn:
        """Publish an event. Not built yet."""
        not_built("app.apublish")

    def publish_many(self, events: Any, **options: Any) -> NoReturn:
        """Publish several events. Not built yet."""
        not_built("app.publish_many")

    async def apublish_many(self, events: Any, **options: Any) -> NoReturn:
        """Publish several events. Not built yet."""
        not_built("app.apublish_many")

    def subscribe(self, *events: Any, **options: Any) -> NoReturn:
        """Handle events. Not built yet."""
        not_built("app.subscribe")

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

"""What an app was told at its construction, checked."""

from __future__ import annotations

from datetime import UTC, tzinfo
from zoneinfo import ZoneInfo

from postroad.errors import InvalidOption
from postroad.tasks.options import TaskOptions

DURABILITIES = ("full", "relaxed")


class Settings:
    """Raises InvalidOption for what cannot be."""

    def __init__(self, name: str, task_defaults: TaskOptions, timezone: str, durability: str, body_bytes_max: int) -> None:
        if durability not in DURABILITIES:
            raise InvalidOption(f'durability={durability!r}: write "full" or "relaxed".')
        if not isinstance(task_defaults, TaskOptions):
            raise InvalidOption(f"task_defaults={task_defaults!r}: write TaskOptions(...).")
        if body_bytes_max < 1:
            raise InvalidOption(f"body_bytes_max={body_bytes_max!r}: write a number of bytes above zero.")
        self.name = name
        self.task_defaults = task_defaults
        self.tzinfo = zone(timezone)
        self.body_bytes_max = body_bytes_max


def zone(name: str) -> tzinfo:
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise InvalidOption(f'timezone={name!r}: no such time zone here ({error}). Write one as "Europe/Berlin".') from error

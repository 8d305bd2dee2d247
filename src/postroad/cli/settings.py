"""Settings of a command: flag, else environment, else ``[tool.postroad]`` in pyproject.toml, else the default."""

from __future__ import annotations

import os
from pathlib import Path

from postroad.errors import InvalidOption


def text(flag: str | None, name: str, default: str = "") -> str:
    """``name`` is the key in ``[tool.postroad]``; the variable is POSTROAD_NAME. A list there is joined with commas."""
    if flag is not None:
        return flag
    value = os.environ.get(f"POSTROAD_{name.upper()}") or from_project(name, default)
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def number(flag: int | None, name: str, default: int) -> int:
    """Raises InvalidOption, naming where the wrong number stands."""
    if flag is not None:
        return flag
    said = text(None, name, str(default)).strip()
    if not said.removeprefix("-").isdecimal():
        place = f"POSTROAD_{name.upper()} or [tool.postroad]"
        raise InvalidOption(f"The setting {name} is {said!r} ({place}): write a whole number.")
    return int(said)


def from_project(name: str, default: str) -> object:
    from postroad.app.config import project_folder, settings

    project = project_folder(Path.cwd())
    return default if project is None else settings(project).get(name, default)

"""Settings of a command: flag, else environment, else ``[tool.postroad]`` in pyproject.toml."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from postroad.errors import InvalidOption

DEFAULT_URL = "sqlite:///postroad.db"


class Settings:
    """Looked up when asked; the file is read once."""

    def __init__(self, folder: Path | None = None, environment: Mapping[str, str] = os.environ) -> None:
        self.environment = environment
        self.project = project_folder(folder or Path.cwd())
        self.table = read_table(self.project)

    def text(self, flag: str | None, name: str, default: str = "") -> str:
        """``name`` is the key in the file; the variable is POSTROAD_NAME."""
        if flag is not None:
            return flag
        value = self.environment.get(f"POSTROAD_{name.upper()}") or self.table.get(name, default)
        return ",".join(map(str, value)) if isinstance(value, list) else str(value)

    def number(self, flag: int | None, name: str, default: int) -> int:
        """Raises InvalidOption, naming where the wrong number stands."""
        if flag is not None:
            return flag
        text = self.text(None, name, str(default))
        if not text.strip().lstrip("-").isdecimal():
            place = f"POSTROAD_{name.upper()} or [tool.postroad]"
            raise InvalidOption(f"The setting {name} is {text!r} ({place}): write a whole number.")
        return int(text)

    def url(self, flag: str | None) -> str:
        """The engine's URL. The default lies beside pyproject.toml, else in the working folder."""
        given = self.text(flag, "url")
        if given:
            return given
        return DEFAULT_URL if self.project is None else f"sqlite:///{self.project / 'postroad.db'}"


def project_folder(folder: Path) -> Path | None:
    """The nearest folder upwards with a pyproject.toml."""
    return next((place for place in (folder, *folder.parents) if (place / "pyproject.toml").is_file()), None)


def read_table(project: Path | None) -> dict[str, Any]:
    """``[tool.postroad]``; empty when there is none. Raises InvalidOption for a file that is no TOML."""
    if project is None:
        return {}
    import tomllib

    file = project / "pyproject.toml"
    try:
        whole = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidOption(f"{file} cannot be read as TOML: {error}.") from error
    return dict(whole.get("tool", {}).get("postroad", {}))

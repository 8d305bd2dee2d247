"""Which engine an app means: what it was given, else $POSTROAD_URL, else [tool.postroad], else a file beside pyproject.toml."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from postroad.errors import ConfigurationError

DEFAULT_FILE = "postroad.db"
RELATIVE = "sqlite:///"
ABSOLUTE = "sqlite:////"


def engine_url(given: str | None = None) -> str:
    """The URL, with the path of a file made absolute.

    A relative path in code or in the environment starts at the working folder; one in pyproject.toml, and the default,
    at that file's folder (the nearest above the working folder).
    """
    url = given or os.environ.get("POSTROAD_URL")
    if url:
        return absolute(url, Path.cwd())
    project = project_folder(Path.cwd())
    written = settings(project).get("url") if project else None
    if written is not None and not isinstance(written, str):
        raise ConfigurationError(f"{project}/pyproject.toml: [tool.postroad] url is {written!r}: write a text, as {RELATIVE}app.db.")
    return absolute(written or RELATIVE + DEFAULT_FILE, project or Path.cwd())


def absolute(url: str, folder: Path) -> str:
    """The same URL; a relative SQLite path is below ``folder``."""
    if not url.startswith(RELATIVE) or url.startswith(ABSOLUTE) or url == RELATIVE:
        return url
    path, mark, query = url[len(RELATIVE) :].partition("?")
    return f"{RELATIVE}{folder / path}{mark}{query}"


def project_folder(folder: Path) -> Path | None:
    """The nearest folder upwards that has a pyproject.toml."""
    return next((place for place in (folder, *folder.parents) if (place / "pyproject.toml").is_file()), None)


def settings(project: Path) -> dict[str, Any]:
    """``[tool.postroad]`` of this project. Raises ConfigurationError for a file that is no TOML."""
    import tomllib

    file = project / "pyproject.toml"
    try:
        whole = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file} cannot be read as TOML: {error}.") from error
    return dict(whole.get("tool", {}).get("postroad", {}))

"""What a task is called: module and qualified name, as every process that imports the module says it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from postroad.core.topology import valid_name
from postroad.errors import InvalidName


def task_name(function: Callable[..., Any], given: str | None) -> str:
    """The given name, else ``module.qualname``. Raises InvalidName."""
    if given is not None:
        return valid_name(given, "task")
    if function.__name__ == "<lambda>":
        raise InvalidName("A lambda has no name that another process would know: use def, or @app.task(name=...).")
    return valid_name(f"{module_of(function)}.{function.__qualname__}", "task")


def module_of(function: Callable[..., Any]) -> str:
    return import_name_of_main() or "__main__" if function.__module__ == "__main__" else function.__module__


def import_name_of_main() -> str | None:
    """How other processes import the script that runs here; None when they cannot."""
    main = sys.modules.get("__main__")
    spec = getattr(main, "__spec__", None)
    if spec is not None and spec.name != "__main__":
        return str(spec.name)
    file = getattr(main, "__file__", None)
    return None if file is None else name_on_path(Path(file))


def name_on_path(file: Path) -> str | None:
    """The dotted name under which ``sys.path`` finds this file; None when it finds none, or another file."""
    folders = [Path(folder or ".").resolve() for folder in sys.path]
    file = file.resolve()
    for folder in folders:
        if file.suffix == ".py" and file.is_relative_to(folder):
            parts = file.relative_to(folder).with_suffix("").parts
            if all(part.isidentifier() for part in parts):
                return ".".join(parts)
    return None


def refuse_main(name: str) -> None:
    """Raise InvalidName for a task that only this process can find."""
    if name.startswith("__main__."):
        raise InvalidName(
            f"The task {name!r} lives in __main__, which no worker can import (a prompt, a notebook, or a script outside "
            "sys.path). Move it into a module, or name it: @app.task(name=...)."
        )

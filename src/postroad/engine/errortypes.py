"""Exception types by their names in records, without importing anything."""

from __future__ import annotations

import sys
from typing import Any


def loaded_type(qualified: str) -> type[Exception] | None:
    """The exception type of this name, if its module is imported already."""
    parts = qualified.split(".")
    for cut in range(len(parts) - 1, -1, -1):
        module = sys.modules.get(".".join(parts[:cut]) if cut else "builtins")
        if module is not None:
            return exception_type(attribute(module, parts[cut:]))
    return None


def attribute(holder: Any, path: list[str]) -> Any:
    for name in path:
        holder = vars(holder).get(name) if hasattr(holder, "__dict__") else None
    return holder


def exception_type(found: Any) -> type[Exception] | None:
    return found if isinstance(found, type) and issubclass(found, Exception) else None


def qualified_name(kind: type[BaseException]) -> str:
    """As records name it."""
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"

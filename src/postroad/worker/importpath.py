"""From an App to the path by which another process imports it."""

from __future__ import annotations

import sys
from typing import Any

from postroad.engine.names import import_name_of_main
from postroad.errors import ConfigurationError


def path_of(app: Any) -> str:
    """``module:attribute``. Raises ConfigurationError for an app that is no module's attribute."""
    for name, module in list(sys.modules.items()):
        for attribute, value in list(vars(module).items()):
            if value is app:
                return f"{importable(name)}:{attribute}"
    raise ConfigurationError(
        "executor='process' starts processes that import the app, and no module has it as an attribute: "
        "assign it at the top of a module (app = App(...)), or use executor='thread'."
    )


def importable(module: str) -> str:
    name = import_name_of_main() if module == "__main__" else module
    if name is None:
        raise ConfigurationError(
            "executor='process' starts processes that import the app, but it is in __main__, which they cannot import: "
            "put it into a module, or use executor='thread'."
        )
    return name

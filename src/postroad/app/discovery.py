"""From ``module:attribute`` to the App, its modules imported, nothing sent meanwhile."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import sys
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

from postroad.app.app import App
from postroad.engine.publisher import importing
from postroad.errors import ConfigurationError


def load(path: str) -> App:
    """The app at ``package.module:attribute`` (``:app``, or the module's only App, may be left out).

    The working folder is on the path. Raises ConfigurationError for a module or an attribute that is not there,
    SentAtImport for a send while modules are imported.
    """
    module_name, _, attribute = path.partition(":")
    if not module_name:
        raise ConfigurationError(f"{path!r} is no path to an app: write module:attribute, as shop.main:app.")
    here = str(Path.cwd())
    if here not in sys.path and "" not in sys.path:
        sys.path.insert(0, here)
    app = find(imported(module_name), attribute)
    app.discover()
    return app


def imported(name: str) -> ModuleType:
    """The module. What it raises itself is raised; only its absence is ours to explain."""
    with importing(name):
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name is None or not (name == error.name or name.startswith(error.name + ".")):
                raise
            raise ConfigurationError(
                f"There is no module {error.name!r}{near(error.name, siblings(error.name))} Looked in {Path.cwd()} and on sys.path."
            ) from None


def siblings(name: str) -> list[str]:
    """Modules that lie where this one should."""
    package, _, _last = name.rpartition(".")
    folders = [Path.cwd()] if not package else [Path(place) for place in getattr(sys.modules.get(package), "__path__", [])]
    prefix = f"{package}." if package else ""
    found = [path for folder in folders if folder.is_dir() for path in folder.iterdir()]
    return [prefix + path.stem for path in found if path.suffix == ".py" or (path / "__init__.py").is_file()]


def find(module: ModuleType, attribute: str) -> App:
    if not attribute:
        return only_app(module)
    found: Any = module
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise ConfigurationError(f"{module.__name__} has no {part!r}{near(part, apps_in(module) or vars(module))}")
        found = getattr(found, part)
    if not isinstance(found, App):
        raise ConfigurationError(f"{module.__name__}:{attribute} is {type(found).__name__}, not an App{near('', apps_in(module))}")
    return found


def only_app(module: ModuleType) -> App:
    if isinstance(getattr(module, "app", None), App):
        return find(module, "app")
    names = apps_in(module)
    if len(names) != 1:
        raise ConfigurationError(
            f"{module.__name__} has {len(names) or 'no'} apps{': ' + ', '.join(names) if names else ''}: write {module.__name__}:NAME."
        )
    return find(module, names[0])


def apps_in(module: ModuleType) -> list[str]:
    return [name for name, value in vars(module).items() if isinstance(value, App)]


def near(name: str, names: Iterable[str]) -> str:
    """The end of a sentence: the nearest of the names, or those there are."""
    known = [one for one in names if not one.startswith("_")]
    close = difflib.get_close_matches(name, known, n=1) if name else known[:5]
    return f"; did you mean {', '.join(map(repr, close))}?" if close else "."

"""The pytest plugin: fixtures that put an app's engine into memory for one test.

pytest loads this in every run where Postroad is installed, so it imports nothing of Postroad until a test asks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from postroad.app.app import App
    from postroad.testing.harness import Testing

APP = "postroad_app"


def pytest_addoption(parser: pytest.Parser) -> None:
    """The ini option that names the app, as ``postroad_app = "shop.main:app"``."""
    parser.addini(APP, "Postroad: the app of postroad_testing() without an argument, as module:attribute", default="")


@pytest.fixture
def postroad_testing(pytestconfig: pytest.Config) -> Iterator[Callable[..., Testing]]:
    """``t = postroad_testing(app)``: what ``with app.testing() as t`` gives, until the test ends.

    Without an argument: the app that the ini option ``postroad_app`` names.
    """
    with ExitStack() as stack:

        def start(app: App | None = None) -> Testing:
            chosen = configured(pytestconfig) if app is None else app
            testing: Testing = stack.enter_context(chosen.testing())
            return testing

        yield start


def configured(config: pytest.Config) -> App:
    path: Any = config.getini(APP)
    if not path:
        raise pytest.UsageError(
            f"postroad_testing() was called without an app, and no {APP} is set: call postroad_testing(app), or write "
            f'{APP} = "shop.main:app" into [tool.pytest.ini_options].'
        )
    from postroad.app.discovery import load

    return load(path)

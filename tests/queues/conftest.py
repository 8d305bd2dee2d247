"""Apps in memory and on files; coroutine tests; what handlers saw."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.tasks.conftest import pytest_pyfunc_call as pytest_pyfunc_call

from postroad import App

DEADLINE_S = 10.0


class Seen:
    """What handlers were called with, from any thread."""

    def __init__(self) -> None:
        self.all: list[Any] = []
        self.changed = threading.Condition()

    def __call__(self, value: Any) -> None:
        with self.changed:
            self.all.append(value)
            self.changed.notify_all()

    def wait(self, count: int) -> list[Any]:
        """When there are so many."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.all) >= count, DEADLINE_S), f"only {self.all}"
            return list(self.all)


def until(holds: Callable[[], Any]) -> Any:
    """What it answers once it is true."""
    deadline = time.monotonic() + DEADLINE_S
    while not (found := holds()):
        assert time.monotonic() < deadline, "it never came true"
    return found


@pytest.fixture
def seen() -> Seen:
    return Seen()


@pytest.fixture
def app() -> Iterator[App]:
    app = App("memory://")
    yield app
    app.close()


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/app.db"


@pytest.fixture
def file_app(url: str) -> Iterator[App]:
    app = App(url)
    yield app
    app.close()

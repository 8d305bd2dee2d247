"""What only the tests of bad input need."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from postroad import App


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user of this machine may enter: pytest's own are this user's alone."""
    folder = Path(tempfile.mkdtemp(prefix="postroad-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where the engine of this test has its file."""
    return tmp_path / "app.db"


@pytest.fixture
def app(file: Path) -> Iterator[App]:
    """An app on that file."""
    with App(f"sqlite:///{file}") as app:
        yield app

"""What only the tests of bad input need."""

from __future__ import annotations

import importlib
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.worker.tree import Tree

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


class Trees:
    """Worker trees in one folder, and the modules they run. Called, it answers a tree that is ready."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.started: list[Tree] = []
        self.modules: list[Any] = []
        monkeypatch.chdir(folder)
        monkeypatch.syspath_prepend(folder)
        self.monkeypatch = monkeypatch

    def module(self, name: str, source: str) -> Any:
        """Write the module and import it here as well: its ``app`` sends from this process."""
        (self.folder / f"{name}.py").write_text(source)
        importlib.invalidate_caches()
        self.monkeypatch.delitem(sys.modules, name, raising=False)
        module = importlib.import_module(name)
        self.monkeypatch.delitem(sys.modules, name)
        self.modules.append(module)
        return module

    def __call__(self, app: str, **options: Any) -> Tree:
        tree = Tree(self.folder, app=app, **options)
        self.started.append(tree)
        return tree.ready()

    def end(self) -> None:
        for tree in self.started:
            tree.stop()
        for module in self.modules:
            module.app.close()


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Trees]:
    trees = Trees(tmp_path, monkeypatch)
    yield trees
    trees.end()

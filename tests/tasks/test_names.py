"""What tasks are called."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from postroad.engine.names import name_on_path, refuse_main, task_name
from postroad.errors import InvalidName


def work() -> None: ...


def test_module_and_qualified_name() -> None:
    def inner() -> None: ...

    assert task_name(work, None) == f"{__name__}.work"
    assert task_name(inner, None) == f"{__name__}.test_module_and_qualified_name.<locals>.inner"
    assert task_name(inner, "given") == "given"


def test_names_that_cannot_be() -> None:
    with pytest.raises(InvalidName, match="lambda"):
        task_name(lambda: None, None)
    assert task_name(lambda: None, "named") == "named"
    with pytest.raises(InvalidName):
        task_name(work, "a\tb")
    with pytest.raises(InvalidName, match="__main__"):
        refuse_main("__main__.work")


SCRIPT = textwrap.dedent(
    """
    from postroad.engine.names import task_name
    def work(): ...
    print(task_name(work, None))
    """
)


def name_from(folder: Path, *command: str, stdin: str | None = None) -> str:
    done = subprocess.run([sys.executable, *command], cwd=folder, capture_output=True, text=True, input=stdin, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_main_is_resolved_to_its_import_name(tmp_path: Path) -> None:
    package = tmp_path / "shop"
    package.mkdir()
    for file in (tmp_path / "script.py", tmp_path / "not-a-name.py", package / "__main__.py", package / "tasks.py"):
        file.write_text(SCRIPT)
    assert name_from(tmp_path, "script.py") == "script.work"
    assert name_from(tmp_path, "-m", "script") == "script.work"
    assert name_from(tmp_path, "-m", "shop.tasks") == "shop.tasks.work"
    assert name_from(tmp_path, "-m", "shop") == "shop.__main__.work"
    assert name_from(tmp_path, "shop/tasks.py") == "tasks.work"
    assert name_from(tmp_path, "not-a-name.py") == "__main__.work"
    assert name_from(tmp_path, "-c", SCRIPT) == "__main__.work"
    assert name_from(tmp_path, "-", stdin=SCRIPT) == "__main__.work"


def test_a_file_is_named_by_the_folder_that_finds_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(tmp_path / "other"), str(tmp_path)])
    assert name_on_path(tmp_path / "shop" / "tasks.py") == "shop.tasks"
    assert name_on_path(tmp_path / "other" / "x.py") == "x"
    assert name_on_path(Path("/elsewhere/x.py")) is None
    assert name_on_path(tmp_path / "notes.txt") is None

"""The pytest plugin, as a project that installed Postroad meets it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

APP = """
from postroad import App

app = App("sqlite:///shop.db")

@app.task
def add(x: int, y: int) -> int:
    return x + y
"""

TESTS = """
from shop import add, app

def test_adding(postroad_testing):
    t = postroad_testing(app)
    result = add.delay(2, 3)
    assert [call.args for call in t.calls(add)] == [[2, 3]]
    t.drain()
    assert result.get() == 5

def test_another_begins_with_nothing(postroad_testing):
    t = postroad_testing()
    assert t.sent == [] and t.drain() == 0
"""

UNTOUCHED = """
import sys

def test_nothing_of_postroad_was_imported():
    assert "postroad.app.app" not in sys.modules and "apsw" not in sys.modules
"""


def pytest_in(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)


def project(folder: Path, tests: str, options: str = "") -> None:
    (folder / "shop.py").write_text(APP)
    (folder / "test_shop.py").write_text(tests)
    (folder / "pyproject.toml").write_text(f'[tool.pytest.ini_options]\npythonpath = ["."]\n{options}\n')


def test_the_fixture_takes_an_app_or_the_configured_one(tmp_path: Path) -> None:
    project(tmp_path, TESTS, 'postroad_app = "shop:app"')
    done = pytest_in(tmp_path)
    assert done.returncode == 0, done.stdout
    assert "2 passed" in done.stdout
    assert not list(tmp_path.glob("*.db")), "the app's own engine is left alone"


def test_without_an_app_it_says_what_to_write(tmp_path: Path) -> None:
    project(tmp_path, TESTS)
    done = pytest_in(tmp_path)
    assert done.returncode == 1
    assert 'postroad_app = "shop.main:app"' in done.stdout


def test_a_run_that_does_not_use_it_imports_nothing(tmp_path: Path) -> None:
    project(tmp_path, UNTOUCHED)
    done = pytest_in(tmp_path)
    assert done.returncode == 0, done.stdout


def test_the_ini_option_says_what_it_is(tmp_path: Path) -> None:
    assert "postroad_app (string):" in pytest_in(tmp_path, "--help").stdout

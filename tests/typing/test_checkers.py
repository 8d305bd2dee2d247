"""The typed surface, judged by mypy --strict and by pyright."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SNIPPETS = [HERE / "usage.py", HERE / "promises.py"]
PYRIGHT_SETTINGS = {"typeCheckingMode": "strict", "pythonVersion": "3.11", "extraPaths": [str(ROOT / "src")]}


def mypy(*files: Path) -> dict[int, str]:
    """Errors by line (of one file), as mypy says them."""
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", *map(str, files)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=110)
    assert done.returncode in (0, 1), done.stderr
    found = re.findall(r"(?m)^[^:\n]+:(\d+): error: (.*)$", done.stdout)
    return {int(line): words for line, words in found}


def pyright(folder: Path, file: Path) -> dict[int, str]:
    """The same from pyright, in a folder of its own with our settings."""
    (folder / file.name).write_text(file.read_text())
    settings = PYRIGHT_SETTINGS | {"include": [file.name], "reportUnusedExpression": False}
    (folder / "pyrightconfig.json").write_text(json.dumps(settings))
    command = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable, "-p", str(folder)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=110)
    report = json.loads(done.stdout)
    assert report["summary"]["filesAnalyzed"] == 1
    errors = [found for found in report["generalDiagnostics"] if found["severity"] == "error"]
    return {found["range"]["start"]["line"] + 1: found["message"] for found in errors}


@pytest.fixture(scope="module")
def mistakes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("mistakes") / "mistakes.py"
    file.write_text((HERE / "mistakes.txt").read_text())
    return file


def wrong_lines(file: Path) -> set[int]:
    lines = file.read_text().splitlines()
    return {number for number, line in enumerate(lines, 1) if line.endswith("# wrong")}


def test_usage_passes_mypy_strict() -> None:
    assert mypy(*SNIPPETS) == {}


@pytest.mark.parametrize("snippet", SNIPPETS, ids=lambda path: path.stem)
def test_usage_passes_pyright_strict(snippet: Path, tmp_path: Path) -> None:
    assert pyright(tmp_path, snippet) == {}


def test_mypy_finds_the_mistakes(mistakes: Path) -> None:
    assert wrong_lines(mistakes)
    assert mypy(mistakes).keys() == wrong_lines(mistakes)


def test_pyright_finds_the_mistakes(mistakes: Path, tmp_path: Path) -> None:
    assert pyright(tmp_path, mistakes).keys() == wrong_lines(mistakes)

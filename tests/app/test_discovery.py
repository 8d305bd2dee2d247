"""From a path to the App."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from postroad import App
from postroad.app import discovery
from postroad.errors import ConfigurationError, SentAtImport

APP = """
from postroad import App
app = App("sqlite:///shop.db", include=["pantry.more"])

class Holder:
    inner = App("memory://", name="inner")

@app.task
def add(a: int, b: int) -> int:
    return a + b
"""

MORE = """
from pantry.main import app

@app.task(queue="media")
def resize(path: str) -> str:
    return path
"""


@pytest.fixture
def pantry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "pantry"
    folder.mkdir()
    for name, text in {
        "__init__": "",
        "main": APP,
        "more": MORE,
        "two": "from postroad import App\nfirst, second = App('memory://'), App('memory://')\n",
        "one": "from postroad import App\nonly = App('memory://')\n",
        "none": "app = 3\n",
        "broken": "import no_such_thing\n",
        "raising": "raise ValueError('its own')\n",
        "sending": MORE + "\nresize.delay('a')\n",
        "late": "from pantry.main import add, app\ndef send(): return add.delay(1, 2)\n",
    }.items():
        (folder / f"{name}.py").write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield folder
    for name in [name for name in sys.modules if name.split(".")[0] == "pantry"]:
        del sys.modules[name]


def test_an_app_with_all_its_tasks(pantry: Path) -> None:
    app = discovery.load("pantry.main:app")
    assert isinstance(app, App)
    assert set(app.tasks) == {"pantry.main.add", "pantry.more.resize"}
    assert app.queues() == ("default", "media")
    assert {queue.carries for queue in app.topology().queues} == {"tasks"}
    assert not (pantry.parent / "shop.db").exists(), "declaring does no I/O"
    with pytest.raises(TypeError):
        app.tasks["x"] = app.tasks["pantry.main.add"]  # type: ignore[index]


def test_shorter_and_longer_paths(pantry: Path) -> None:
    assert discovery.load("pantry.main") is discovery.load("pantry.main:app")
    assert discovery.load("pantry.main:Holder.inner").name == "inner"
    assert discovery.load("pantry.one").url == "memory://"


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("", "write module:attribute"),
        (":app", "write module:attribute"),
        ("pantri.main:app", r"no module 'pantri'; did you mean 'pantry'\?"),
        ("pantry.mian:app", r"no module 'pantry.mian'; did you mean 'pantry.main'\?"),
        ("pantry.main:ap", r"has no 'ap'; did you mean 'app'\?"),
        ("pantry.main:add", r"is Task, not an App; did you mean 'app'\?"),
        ("pantry.none:app", "is int, not an App"),
        ("pantry.none", "has no apps"),
        ("pantry.two", "has 2 apps: first, second"),
    ],
)
def test_paths_that_lead_nowhere(path: str, words: str, pantry: Path) -> None:
    with pytest.raises(ConfigurationError, match=words):
        discovery.load(path)


def test_errors_of_the_module_are_its_own(pantry: Path) -> None:
    with pytest.raises(ModuleNotFoundError, match="no_such_thing"):
        discovery.load("pantry.broken:app")
    with pytest.raises(ValueError, match="its own"):
        discovery.load("pantry.raising:app")


def test_sends_while_modules_are_imported(pantry: Path) -> None:
    with pytest.raises(SentAtImport, match=r"pantry\.sending was being imported"):
        discovery.load("pantry.sending:app")
    late = discovery.load("pantry.late:app")
    assert sys.modules["pantry.late"].send().id, "afterwards all is as before"
    late.close()

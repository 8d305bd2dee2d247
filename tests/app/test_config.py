"""Which engine an app means."""

from __future__ import annotations

from pathlib import Path

import pytest

from postroad import App, TaskOptions
from postroad.app.config import absolute, engine_url
from postroad.errors import ConfigurationError, InvalidOption, InvalidURL, MissingExtra, NotSupported


def test_the_order_of_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inner = tmp_path / "src" / "shop"
    inner.mkdir(parents=True)
    monkeypatch.chdir(inner)
    assert engine_url() == f"sqlite:///{inner}/postroad.db", "no pyproject.toml: the working folder"
    project = tmp_path / "pyproject.toml"
    project.write_text("[project]\nname = 'shop'\n")
    assert engine_url() == f"sqlite:///{tmp_path}/postroad.db", "beside the nearest pyproject.toml"
    project.write_text("[tool.postroad]\nurl = 'sqlite:///data/shop.db'\n")
    assert engine_url() == f"sqlite:///{tmp_path}/data/shop.db"
    monkeypatch.setenv("POSTROAD_URL", "sqlite:///env.db")
    assert engine_url() == f"sqlite:///{inner}/env.db"
    assert engine_url("sqlite:///given.db") == f"sqlite:///{inner}/given.db"
    assert engine_url("memory://") == "memory://"


@pytest.mark.parametrize(
    ("text", "words"), [("[tool.postroad]\nurl = 3\n", "write a text"), ("[tool\n", "cannot be read as TOML")]
)
def test_a_project_file_that_cannot_be(text: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text(text)
    with pytest.raises(ConfigurationError, match=words):
        engine_url()


def test_paths_are_made_absolute() -> None:
    folder = Path("/srv")
    assert absolute("sqlite:///a.db", folder) == "sqlite:////srv/a.db"
    assert absolute("sqlite:///a.db?x=1", folder) == "sqlite:////srv/a.db?x=1"
    for other in ("sqlite:////abs.db", "memory://", "redis://localhost/1", "sqlite:///"):
        assert absolute(other, folder) == other


def test_the_url_is_read_at_the_first_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = App()
    monkeypatch.setenv("POSTROAD_URL", f"sqlite:///{tmp_path}/late.db")
    monkeypatch.chdir(tmp_path)
    assert app.url == f"sqlite:///{tmp_path}/late.db"
    monkeypatch.setenv("POSTROAD_URL", "memory://")
    assert app.url == f"sqlite:///{tmp_path}/late.db", "and stays"


@pytest.mark.parametrize(
    ("url", "kind", "words"),
    [
        ("sqlit:///a.db", InvalidURL, "did you mean sqlite"),
        ("a.db", InvalidURL, "no scheme"),
        ("amqp://guest:secret@localhost/", (MissingExtra, NotSupported), "not built yet"),
    ],
)
def test_urls_that_cannot_be_used(url: str, kind: type[Exception], words: str) -> None:
    app = App(url)

    @app.task
    def work() -> None: ...

    with pytest.raises(kind, match=words) as refused:
        work.delay()
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"durability": "sloppy"}, "durability='sloppy'"),
        ({"timezone": "Mars/Base"}, "timezone='Mars/Base'"),
        ({"task_defaults": {"priority": 3}}, "task_defaults="),
        ({"body_bytes_max": 0}, "body_bytes_max=0"),
    ],
)
def test_options_of_an_app_that_cannot_be(options: dict[str, object], words: str) -> None:
    with pytest.raises(InvalidOption, match=words):
        App(**options)  # type: ignore[arg-type]


def test_the_same_url_as_store_is_no_other_store() -> None:
    assert App("sqlite:///a.db", store="sqlite:///a.db", task_defaults=TaskOptions(priority=3)).url.endswith("/a.db")

"""How the command line behaves before it does anything: help, mistakes, exit codes, settings."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.conftest import Shop
from tests.cli.terminal import Terminal

HEAVY = (
    "asyncio",
    "apsw",
    "msgspec",
    "sqlite3",
    "socket",
    "postroad.app.app",
    "postroad.drivers",
    "postroad.observe.inspect",
)
COMMANDS = ("worker", "demo", "send", "tasks", "queues", "dead-letters", "workers", "doctor", "torture", "bench")

IMPORTED = """
import sys
from postroad.cli.main import main
try:
    main(sys.argv[1:])
except SystemExit as end:
    assert end.code == 0, end.code
sys.stderr.write("\\n".join(sys.modules))
"""


@pytest.mark.parametrize("words", [["--help"], *([command, "--help"] for command in COMMANDS)], ids=" ".join)
def test_help_imports_nothing_heavy(words: list[str], terminal: Terminal) -> None:
    done = subprocess.run([sys.executable, "-c", IMPORTED, *words], capture_output=True, text=True, check=True)
    assert "usage: postroad" in done.stdout
    assert not set(HEAVY) & set(done.stderr.splitlines())


def test_help_names_every_command_and_the_exit_codes(terminal: Terminal) -> None:
    said = terminal.run("--help").expect(0)
    assert all(command in said.out for command in COMMANDS)
    assert "5 not found, 6 engine unreachable, 7 timeout" in said.out


def test_version(terminal: Terminal) -> None:
    assert terminal.run("--version").expect(0).out.startswith("postroad 0.")


@pytest.mark.parametrize(
    ("words", "code", "words_said"),
    [
        ((), 2, "COMMAND"),
        (("quues",), 2, "did you mean 'queues'?"),
        (("queues", "purgee"), 2, "did you mean 'purge'?"),
        (("tasks", "--state", "DEED"), 2, "did you mean 'DEAD'?"),
        (("tasks", "--limit", "0"), 2, "not a whole number of 1 or more"),
        (("streams",), 2, "postroad streams: not built yet"),
        (("demo", "shop"), 2, "demo shop: not built yet"),
        (("queues", "--url", "sqlit:///x.db"), 2, "did you mean sqlite://?"),
        (("queues", "--url", "sqlite://x.db"), 2, "sqlite:///x.db"),
        (("queues", "--url", "memory://"), 2, "app.inspect"),
        (("send", "a.b", "--kwargs", "[1]"), 2, "no object"),
        (("send", "a.b", "--kwarg", "{}"), 2, "not known: --kwarg"),
        (("queues", "list", "more"), 2, "not known: more"),
        (("send", "a.b", "--kwargs", "{"), 2, "no JSON object"),
        (("send", "a.b", "--countdown", "soon"), 2, "not a duration"),
        (("worker",), 2, "Which app?"),
        (("bench", "--folder", "nowhere"), 5, "no folder"),
        (("demo", "nowhere"), 5, "no folder"),
    ],
    ids=str,
)
def test_mistakes_are_explained_in_a_paragraph(
    words: tuple[str, ...], code: int, words_said: str, terminal: Terminal
) -> None:
    said = terminal.run(*words).expect(code)
    assert words_said in said.err
    assert not said.out


def test_a_password_in_a_url_is_not_shown(terminal: Terminal) -> None:
    said = terminal.run("queues", "--url", "amqp://shop:s3cret@broker/")
    assert said.code == 2
    assert "s3cret" not in said.out + said.err


@pytest.mark.parametrize(
    "words",
    [
        ("queues",),
        ("tasks",),
        ("tasks", "show", "x"),
        ("dead-letters",),
        ("workers",),
        ("doctor",),
        ("send", "a.b"),
        ("queues", "purge", "default", "--yes"),
    ],
    ids=" ".join,
)
def test_looking_at_a_file_that_is_not_there_says_so_and_makes_none(words: tuple[str, ...], terminal: Terminal) -> None:
    said = terminal.run(*words).expect(6)
    assert f"There is no engine at {terminal.url}" in said.err
    assert not list(terminal.folder.iterdir())


def test_a_file_that_is_no_database(terminal: Terminal) -> None:
    terminal.file.write_text("shopping list")
    said = terminal.run("queues").expect(6)
    assert "is no SQLite database" in said.err
    assert terminal.file.read_text() == "shopping list"


def test_traceback_when_asked_for(terminal: Terminal) -> None:
    said = terminal.run("queues", "--traceback")
    assert said.code == 1
    assert "Traceback" in said.err and "EngineUnavailable" in said.err


def test_settings_flag_before_environment_before_project_before_default(terminal: Terminal) -> None:
    project = terminal.folder / "pyproject.toml"
    nowhere = "sqlite:///nowhere.db"

    def engine_of(*words: str, url: str) -> str:
        return terminal.run("queues", *words, POSTROAD_URL=url).expect(6).err

    assert "flag.db" in engine_of("--url", "sqlite:///flag.db", url=nowhere)
    assert "nowhere.db" in engine_of(url=nowhere)
    project.write_text('[tool.postroad]\nurl = "sqlite:///project.db"\n')
    assert "nowhere.db" in engine_of(url=nowhere)
    assert "project.db" in engine_of(url="")
    project.write_text("")
    assert str(terminal.folder / "postroad.db") in engine_of(url="")


def test_a_wrong_setting_is_named(terminal: Terminal, module: str) -> None:
    said = terminal.run("worker", module, POSTROAD_PROCESSES="many").expect(2)
    assert "POSTROAD_PROCESSES" in said.err and "'many'" in said.err


def test_a_terminal_that_cannot_show_a_character_gets_the_rest(shop: Shop, terminal: Terminal) -> None:
    shop.resize.options(key="\u732b").delay("cat.png")
    id = terminal.run("tasks", "-o", "json").json[0]["id"]
    assert "\\u732b" in terminal.run("tasks", "show", id, PYTHONIOENCODING="ascii").expect(0).out


def test_a_reader_that_leaves_is_no_error() -> None:
    command = " ".join([sys.executable, "-m", "postroad", "--help"])
    done = subprocess.run(
        ["bash", "-c", f"{command} | true; echo ${{PIPESTATUS[0]}}"], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "0"
    assert not done.stderr


def test_watch_goes_on_until_ctrl_c(terminal: Terminal, shop: Shop) -> None:
    shop.resize.delay("cat.png")
    with terminal.started("queues", "--watch", "-o", "jsonl") as process:
        assert process.stdout is not None
        first, second = process.stdout.readline(), process.stdout.readline()
        assert json.loads(first)["queue"] == "default" and json.loads(second)["queue"] == "media"
        assert json.loads(process.stdout.readline())["queue"] == "default"
        process.send_signal(signal.SIGINT)
        _out, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert not err


def test_the_installed_command_and_the_module_are_one(terminal: Terminal) -> None:
    command = Path(sys.executable).with_name("postroad")
    done = subprocess.run([command, "--help"], capture_output=True, text=True, check=True)
    assert done.stdout == terminal.run("--help").out

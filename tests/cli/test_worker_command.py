"""``postroad worker``: real trees, their logs, their ends."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest
from tests.cli.conftest import Shop
from tests.cli.terminal import Terminal, until


def log_lines(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.exists() else []


def test_it_works_drains_and_logs_which_task(shop: Shop, terminal: Terminal, module: str) -> None:
    result = shop.add.delay(2, 3)
    with terminal.started("worker", module, "-p", "2", "-t", "2", "--log", "json") as process:
        assert result.get(timeout=20) == 5
        rows = terminal.run("workers", "-o", "json").expect(0).json
        assert {row["supervisor_pid"] for row in rows} == {process.pid} and len(rows) == 2
        process.send_signal(signal.SIGTERM)
        _out, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    records = [json.loads(line) for line in err.splitlines()]
    (record,) = [record for record in records if record["logger"] == "shop"]
    assert (record["task"], record["id"], record["attempt"]) == ("shop.add", result.id, 1)
    assert record["level"] == "WARNING" and record["x"] == 2
    assert record["message"] == "adding\x1b[31m"
    assert any(record["message"] == "ready" for record in records)


def test_text_logs_name_the_task_and_are_stripped(shop: Shop, terminal: Terminal, module: str) -> None:
    result = shop.add.delay(2, 3)
    with terminal.started("worker", module) as process:
        assert result.get(timeout=20) == 5
        process.send_signal(signal.SIGTERM)
        _out, err = process.communicate(timeout=30)
    (line,) = [line for line in err.splitlines() if " shop: " in line]
    assert "WARNING" in line and f"id={result.id}" in line and "task=shop.add" in line and "x=2" in line
    assert "\x1b" not in err


def test_only_the_queues_asked_for(shop: Shop, terminal: Terminal, module: str) -> None:
    said = terminal.run("worker", module, "-Q", "defalt").expect(1)
    assert "did you mean 'default'?" in said.err


@pytest.mark.parametrize(
    ("app", "words"),
    [("shopp:app", "There is no module 'shopp'; did you mean 'shop'?"), ("shop:ap", "did you mean 'app'?")],
)
def test_an_app_that_is_not_there(app: str, words: str, terminal: Terminal, module: str) -> None:
    assert words in terminal.run("worker", app).expect(1).err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--max-tasks-per-child", "5"), "max_tasks_per_child: not built yet"),
        (("--max-memory-per-child", "500M"), "max_memory_per_child: not built yet"),
        (("--max-memory-per-child", "lots"), "is not a size"),
        (("--log-level", "LOUD"), "one of DEBUG"),
        (("-p", "0"), "not a whole number of 1 or more"),
        (("--url", "memory://"), "memory://"),
    ],
    ids=str,
)
def test_options_that_cannot_work(words: tuple[str, ...], message: str, terminal: Terminal, module: str) -> None:
    assert message in terminal.run("worker", module, *words).expect(2).err


def test_settings_of_the_project(shop: Shop, terminal: Terminal, module: str) -> None:
    project = '[tool.postroad]\napp = "shop:app"\nprocesses = 2\nqueues = ["default"]\n'
    (terminal.folder / "pyproject.toml").write_text(project)
    ready = terminal.folder / "ready"
    with terminal.started("worker", "--ready-file", ready) as process:
        until(ready.exists)
        assert len(terminal.run("workers", "-o", "json").expect(0).json) == 2
        os.kill(process.pid, signal.SIGTERM)
        process.wait(30)
    assert not ready.exists()

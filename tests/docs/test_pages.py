"""The pages: links lead somewhere, snippets are Python, the first screen of the README runs as printed."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "changelog.d").glob("*.md")])
POSTROAD = Path(sys.executable).with_name("postroad")


def snippets(page: Path) -> list[str]:
    return re.findall(r"(?ms)^```python\n(.*?)^```$", page.read_text(encoding="utf-8"))


def named_snippets(page: Path) -> dict[str, str]:
    """Snippets whose first line is the file they are to be saved as."""
    named = ((re.match(r"# (\w+\.py)\n", text), text) for text in snippets(page))
    return {match.group(1): text for match, text in named if match}


def missing_links(page: Path) -> list[str]:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    return [link for link in links if not (page.parent / link).exists()]


def page_id(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_links_lead_somewhere(page: Path) -> None:
    assert not missing_links(page)


def test_a_link_to_nowhere_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("[here](page.md#top) [gone](gone.md)", encoding="utf-8")
    assert missing_links(page) == ["gone.md"]


@pytest.mark.parametrize("page", [page for page in PAGES if snippets(page)], ids=page_id)
def test_snippets_are_python(page: Path) -> None:
    for number, text in enumerate(snippets(page), 1):
        compile(text, f"{page_id(page)}, snippet {number}", "exec")


def saved(page: str, folder: Path) -> None:
    for file, text in named_snippets(ROOT / page).items():
        (folder / file).write_text(text, encoding="utf-8")


def worker_in(folder: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([POSTROAD, "worker", "app:app"], cwd=folder, start_new_session=True)


def sender_in(folder: Path) -> subprocess.Popen[str]:
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, "send.py"], cwd=folder, **pipes)


@pytest.mark.parametrize("name", ["README.md", "docs/tutorial/first-task.md"])
def test_the_first_task_runs_as_printed(name: str, tmp_path: Path) -> None:
    saved(name, tmp_path)
    worker = worker_in(tmp_path)
    try:
        sent = sender_in(tmp_path).communicate(timeout=60)
    finally:
        worker.terminate()
        code = worker.wait(timeout=30)
    assert sent == ("5\n", "")
    assert code == 0


def test_the_kill_of_the_readme(tmp_path: Path) -> None:
    """The worker is killed while the task runs; who sent it waits, and the next worker runs it again."""
    saved("README.md", tmp_path)
    first, sender = worker_in(tmp_path), sender_in(tmp_path)
    try:
        until_running(tmp_path)
        os.killpg(first.pid, signal.SIGKILL)
        first.wait(timeout=30)
        second = worker_in(tmp_path)
        try:
            assert sender.communicate(timeout=60) == ("5\n", "")
        finally:
            second.terminate()
            assert second.wait(timeout=30) == 0
    finally:
        sender.kill()
        first.kill()


def until_running(folder: Path) -> None:
    """Until a worker has begun with the task."""
    command = [
        POSTROAD,
        "tasks",
        "list",
        "--state",
        "RUNNING",
        "-o",
        "json",
        "--url",
        f"sqlite:///{folder}/postroad.db",
    ]
    deadline = time.monotonic() + 30
    while not json.loads(
        subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False).stdout or "[]"
    ):
        assert time.monotonic() < deadline, "no worker has begun with the task"


def test_the_first_screen_of_the_readme() -> None:
    """An app, a worker, a call and a kill, in this order; the table after them."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    order = [
        "# app.py",
        "postroad worker app:app",
        "# send.py",
        "pkill -9",
        "## You use, you write",
        "\nmake demo\n",
        "\nmake test\n",
    ]
    places = [readme.index(words) for words in order]
    assert places == sorted(places)
    assert readme[: places[4]].count("\n") < 70, "the first screen is one screen"

"""The pages: links lead somewhere, snippets are Python, the first screen of the README runs as printed."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

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


@pytest.mark.parametrize("name", ["README.md", "docs/tutorial/first-task.md"])
def test_the_first_task_runs_as_printed(name: str, tmp_path: Path) -> None:
    files = named_snippets(ROOT / name)
    for file, text in files.items():
        (tmp_path / file).write_text(text, encoding="utf-8")
    worker = subprocess.Popen([POSTROAD, "worker", "app:app"], cwd=tmp_path)
    try:
        sent = subprocess.run(
            [sys.executable, "send.py"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
        )
    finally:
        worker.terminate()
        code = worker.wait(timeout=30)
    assert (sent.stdout, sent.stderr) == ("5\n", "")
    assert code == 0

"""The page of the documentation that holds the tables; each lies between two markers of its own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from benchmarks.errors import BenchmarkError

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reference" / "benchmarks.md"


def update(sections: Mapping[str, str], page: Path = PAGE) -> None:
    """Replace what lies between the markers of each section; the rest of the page stays as it is."""
    content = page.read_text(encoding="utf-8")
    for name, text in sections.items():
        content = replaced(content, name, text)
    page.write_text(content, encoding="utf-8")


def replaced(content: str, name: str, text: str) -> str:
    begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
    head, found, rest = content.partition(begin)
    _, closed, tail = rest.partition(end)
    if not found or not closed:
        raise BenchmarkError(
            f"the page has no section {name!r}: put {begin} and {end} on lines of their own where its table belongs."
        )
    return f"{head}{begin}\n{text}\n{end}{tail}"

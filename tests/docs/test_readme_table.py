"""The table of the README, "you use, you write": what it says to write is written, and works."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from postroad import App, Event, Retry

README = Path(__file__).parents[2] / "README.md"


class OrderCreated(Event, type="order.created"):
    order: int = 1


def rows() -> list[str]:
    table = README.read_text(encoding="utf-8").partition("## You use, you write")[2].partition("\n## ")[0]
    return [line.split(" | ")[-1] for line in table.splitlines() if line.startswith("|") and "`" in line]


def snippets() -> list[str]:
    return list(dict.fromkeys(code for cell in rows() for code in re.findall(r"`([^`]+)`", cell)))


def test_there_are_enough_of_them() -> None:
    assert len(snippets()) >= 15
    assert any("basic_nack" in row for row in README.read_text(encoding="utf-8").splitlines())


@pytest.mark.parametrize("code", snippets())
def test_it_can_be_written(code: str) -> None:
    app = App("memory://")

    @app.task
    def add(x: int, y: int) -> int:
        return x + y

    with app.testing():
        names: dict[str, Any] = {"app": app, "add": add, "Retry": Retry, "OrderCreated": OrderCreated}
        if "app.queue(" not in code:
            names["jobs"] = app.queue("jobs")
            names["logs"] = app.exchange("logs", "topic")
        exec(runnable(code, names), names)


def runnable(code: str, names: dict[str, Any]) -> str:
    """With what the table leaves out: the function below a decorator, the body of a call, the messages to receive."""
    if code.startswith("@"):
        return f"{code}\ndef handler(x: {'OrderCreated' if 'subscribe' in code else 'int'}) -> None: ...\n"
    if code.startswith("with"):
        names["jobs"].put({"id": 1})
    return (
        code.replace("put(..., ", "put({'id': 1}, ")
        .replace("put(...)", "put({'id': 1})")
        .replace("OrderCreated(...)", "OrderCreated()")
    )

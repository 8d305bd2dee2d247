"""Postroad's events on one SQLite file: three groups take every event of one type."""

from __future__ import annotations

from benchmarks.apps import file
from benchmarks.marks import mark, now_ns
from postroad import App, Event

GROUPS = 3
CHUNK = 10_000

app = App(f"sqlite:///{file()}", name="bench")


class Clicked(Event, type="page.clicked"):
    number: int


@app.subscribe(Clicked, group="first")
def first(clicked: Clicked) -> None:
    mark(clicked.number)


@app.subscribe(Clicked, group="second")
def second(clicked: Clicked) -> None:
    mark(clicked.number)


@app.subscribe(Clicked, group="third")
def third(clicked: Clicked) -> None:
    mark(clicked.number)


def publish(count: int) -> int:
    """Publish as fast as it goes; answers when it began."""
    started_ns = now_ns()
    for begin in range(0, count, CHUNK):
        app.publish_many(Clicked(number=number) for number in range(begin, min(begin + CHUNK, count)))
    return started_ns


def close() -> None:
    app.close()

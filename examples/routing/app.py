"""Errors go to a queue that is looked after at once; everything, errors too, goes to the archive."""

from dataclasses import dataclass
from pathlib import Path

from postroad import App

app = App("sqlite:///routing.db")
logs = app.exchange("logs", "direct")
urgent = app.queue("logs.urgent")
archive = app.queue("logs.archive")
logs.bind(urgent, "error")
for level in ("info", "warning", "error"):
    logs.bind(archive, level)


@dataclass
class Line:
    level: str
    text: str


def note(file: str, line: Line) -> None:
    with Path(file).open("a") as opened:
        opened.write(f"{line.level} {line.text}\n")


@urgent.consumer()
def page(line: Line) -> None:
    note("urgent.txt", line)


@archive.consumer()
def keep(line: Line) -> None:
    note("archive.txt", line)

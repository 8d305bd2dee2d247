"""Keys of two words, <facility>.<severity>; each queue says by a pattern what it wants."""

from dataclasses import dataclass
from pathlib import Path

from postroad import App

app = App("sqlite:///topics.db")
logs = app.exchange("logs", "topic")

kernel = app.queue("logs.kernel")
critical = app.queue("logs.critical")
everything = app.queue("logs.everything")

logs.bind(kernel, "kern.*")
logs.bind(critical, "*.critical")
logs.bind(everything, "#")


@dataclass
class Line:
    key: str


def note(file: str, line: Line) -> None:
    with Path(file).open("a") as opened:
        opened.write(f"{line.key}\n")


@kernel.consumer()
def on_kernel(line: Line) -> None:
    note("kernel.txt", line)


@critical.consumer()
def on_critical(line: Line) -> None:
    note("critical.txt", line)


@everything.consumer()
def on_everything(line: Line) -> None:
    note("everything.txt", line)

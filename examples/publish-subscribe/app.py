"""Every log line goes to the disk and to the screen: each has a queue of its own, bound to one exchange."""

from dataclasses import dataclass
from pathlib import Path

from postroad import App

app = App("sqlite:///publish-subscribe.db")
logs = app.exchange("logs", "fanout")
disk = app.queue("logs.disk")
screen = app.queue("logs.screen")
logs.bind(disk)
logs.bind(screen)


@dataclass
class Line:
    number: int
    text: str


@disk.consumer()
def save(line: Line) -> None:
    with Path("saved.txt").open("a") as file:
        file.write(f"{line.number} {line.text}\n")


@screen.consumer()
def show(line: Line) -> None:
    print(f"{line.number}: {line.text}\n", end="", flush=True)

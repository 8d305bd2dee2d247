"""A call to a service that is away for a moment: tried again later, while the next calls go on."""

import time
from dataclasses import dataclass
from pathlib import Path

from postroad import App, Retry, RetryLater, current

app = App("sqlite:///delayed-retry.db")
calls = app.queue("calls")


@dataclass
class Call:
    name: str
    fails: int = 0
    busy_s: float = 0


class Unreachable(Exception):
    pass


@calls.consumer(retry=Retry(max=3, base=0.2, factor=2, jitter=False, on=(Unreachable,)))
def call(one: Call) -> None:
    attempt = current.task.attempt
    with Path("calls.txt").open("a") as file:
        file.write(f"{time.monotonic():.3f} {one.name} {attempt}\n")
    if one.busy_s and attempt == 1:
        raise RetryLater(after=one.busy_s)
    if attempt <= one.fails:
        raise Unreachable(f"{one.name} does not answer")

"""A slow consumer, and three queues that differ in what a producer meets when they are full."""

import time
from pathlib import Path

from postroad import App

app = App("sqlite:///backpressure.db")
patient = app.queue("patient", max_length=50, overflow="block")
strict = app.queue("strict", max_length=50, overflow="reject")
latest = app.queue("latest", max_length=50, overflow="drop_oldest")


def slowly(queue: str, number: int) -> None:
    time.sleep(0.002)
    with Path(f"{queue}.txt").open("a") as file:
        file.write(f"{number}\n")


@patient.consumer(prefetch=1)
def one_by_one(number: int) -> None:
    slowly("patient", number)


@strict.consumer(prefetch=1)
def or_not_at_all(number: int) -> None:
    slowly("strict", number)


@latest.consumer(prefetch=1)
def the_newest(number: int) -> None:
    slowly("latest", number)

"""A producer: sends the numbers it is told, notes each before it is sent and again when the engine has confirmed it."""

from __future__ import annotations

import random
import secrets
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from postroad.app.app import App
from postroad.testing.torture.order import Order
from postroad.testing.torture.records import ATTEMPTED, CONFIRMED, PRODUCERS, Recorder
from postroad.testing.torture.tasks import app, call

BATCH_MAX = 60


def batches(numbers: Sequence[int], seed: int) -> Iterator[Sequence[int]]:
    """One by one, or many at once, as the dice say."""
    dice = random.Random(seed)
    start = 0
    while start < len(numbers):
        size = 1 if dice.random() < 0.7 else dice.randint(2, BATCH_MAX)
        yield numbers[start : start + size]
        start += size


def produce(sender: App, order: Order, recorder: Recorder) -> None:
    for batch in batches(order.numbers, order.seed):
        messages = [(number, secrets.randbits(63)) for number in batch]
        recorder.note(ATTEMPTED, messages)
        if len(messages) == 1:
            call(order.run, *messages[0]).delay()
        else:
            sender.send_many([call(order.run, *each) for each in messages])
        recorder.note(CONFIRMED, messages)


def main() -> None:
    order = msgspec.json.decode(sys.stdin.buffer.read(), type=Order)
    app.given_url = order.url
    with app:
        produce(app, order, Recorder(Path(order.folder), PRODUCERS))


if __name__ == "__main__":
    main()

"""faststream over a Redis stream with one consumer group. `python -m benchmarks.apps.faststream_app` is one worker."""

from __future__ import annotations

import asyncio
import os

from faststream import FastStream
from faststream.redis import RedisBroker, StreamSub
from pydantic import BaseModel

from benchmarks.apps import redis_url
from benchmarks.marks import mark, now_ns

STREAM = "page.clicked"
# How many publishes are on their way at once: one after another would measure the round trip.
AT_ONCE = 100

broker = RedisBroker(redis_url(), logger=None)
app = FastStream(broker, logger=None)


class Clicked(BaseModel):
    number: int


@broker.subscriber(stream=StreamSub(STREAM, group="first", consumer=f"worker-{os.getpid()}"))
async def first(clicked: Clicked) -> None:
    mark(clicked.number)


def publish(count: int) -> int:
    """Publish as fast as it goes; answers when it began."""
    return asyncio.run(_publish(count))


async def _publish(count: int) -> int:
    async with RedisBroker(redis_url(), logger=None) as producer:
        started_ns = now_ns()
        for begin in range(0, count, AT_ONCE):
            numbers = range(begin, min(begin + AT_ONCE, count))
            await asyncio.gather(*(producer.publish(Clicked(number=number), stream=STREAM) for number in numbers))
        return started_ns


def close() -> None:
    """`publish` has closed what it opened."""


if __name__ == "__main__":
    asyncio.run(app.run())

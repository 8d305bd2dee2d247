"""taskiq on a Redis list, which keeps nothing of a task that a worker took."""

from __future__ import annotations

import asyncio

from taskiq_redis import ListQueueBroker, RedisAsyncResultBackend

from benchmarks.apps import keeps_results, redis_url
from benchmarks.marks import mark

# redis-py gives up on a read after 5 s by default, which ends an idle worker: its blocking read waits longer.
broker = ListQueueBroker(redis_url(), socket_timeout=None)
if keeps_results():
    broker = broker.with_result_backend(RedisAsyncResultBackend(redis_url()))
_loop = asyncio.new_event_loop()


@broker.task
async def noop(number: int) -> int:
    mark(0)
    return number


@broker.task
async def stamped(sent_ns: int) -> None:
    mark(sent_ns)


def fill(count: int) -> None:
    one_by_one(count)


def one_by_one(count: int) -> None:
    _loop.run_until_complete(_one_by_one(count))


async def _one_by_one(count: int) -> None:
    for number in range(count):
        await noop.kiq(number)


def stamp(sent_ns: int) -> None:
    _loop.run_until_complete(stamped.kiq(sent_ns))


def close() -> None:
    _loop.run_until_complete(broker.shutdown())
    _loop.close()

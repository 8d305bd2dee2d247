"""dramatiq on Redis, with its default middleware; results only when asked for."""

from __future__ import annotations

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend

from benchmarks.apps import keeps_results, redis_url
from benchmarks.marks import mark

broker = RedisBroker(url=redis_url())
if keeps_results():
    broker.add_middleware(Results(backend=RedisBackend(url=redis_url()), store_results=True))
dramatiq.set_broker(broker)


@dramatiq.actor
def noop(number: int) -> int | None:
    mark(0)
    # A value that nothing stores makes dramatiq log a warning for each task.
    return number if keeps else None


@dramatiq.actor
def stamped(sent_ns: int) -> None:
    mark(sent_ns)


keeps = keeps_results()


def fill(count: int) -> None:
    one_by_one(count)


def one_by_one(count: int) -> None:
    for number in range(count):
        noop.send(number)


def stamp(sent_ns: int) -> None:
    stamped.send(sent_ns)


def close() -> None:
    broker.close()

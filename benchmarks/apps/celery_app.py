"""Celery on Redis, tuned: a large prefetch, no events, gossip or mingle, results only when asked for."""

from __future__ import annotations

from celery import Celery

from benchmarks.apps import keeps_results, redis_url
from benchmarks.marks import mark

app = Celery("benchmark", broker=redis_url(), backend=redis_url() if keeps_results() else None)
app.conf.update(
    task_ignore_result=not keeps_results(),
    worker_prefetch_multiplier=100,
    worker_send_task_events=False,
    broker_connection_retry_on_startup=True,
    worker_enable_remote_control=False,
)


@app.task
def noop(number: int) -> int:
    mark(0)
    return number


@app.task
def stamped(sent_ns: int) -> None:
    mark(sent_ns)


def fill(count: int) -> None:
    one_by_one(count)


def one_by_one(count: int) -> None:
    for number in range(count):
        noop.delay(number)


def stamp(sent_ns: int) -> None:
    stamped.delay(sent_ns)


def close() -> None:
    app.close()

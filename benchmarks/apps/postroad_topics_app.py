"""A topic exchange with as many bindings as the environment says, to ten queues that nobody takes from."""

from __future__ import annotations

import asyncio
import os

from benchmarks.apps import file
from benchmarks.contestant import BINDINGS_VARIABLE
from benchmarks.marks import now_ns
from postroad import App
from postroad.core.routing import RoutingTable

QUEUES = 10
AT_ONCE = 500
BINDINGS = int(os.environ.get(BINDINGS_VARIABLE, "10"))
BODY = {"celsius": 21.5}

app = App(f"sqlite:///{file()}")
readings = app.exchange("readings", "topic")
queues = [app.queue(f"readings.{number}") for number in range(QUEUES)]
for site in range(BINDINGS):
    readings.bind(queues[site % QUEUES], f"site{site}.*.temperature")


def key(number: int) -> str:
    """No key comes twice: what is remembered of an earlier one is of no use."""
    return f"site{number % BINDINGS}.sensor{number}.temperature"


def route(count: int) -> dict[str, float]:
    """Publish under `count` keys, many at once; and look as many up in the routing table alone."""
    readings.publish(BODY, key(count))
    started_ns = now_ns()
    asyncio.run(_publish(count))
    published_s = (now_ns() - started_ns) / 1e9
    return {"rate": count / published_s, "route_us": _route_us(count)}


async def _publish(count: int) -> None:
    for begin in range(0, count, AT_ONCE):
        numbers = range(begin, min(begin + AT_ONCE, count))
        await asyncio.gather(*(readings.apublish(BODY, key(number)) for number in numbers))


def _route_us(count: int) -> float:
    table = RoutingTable(app.topology())
    started_ns = now_ns()
    for number in range(count):
        table.route("readings", key(number), {})
    return (now_ns() - started_ns) / count / 1e3


def close() -> None:
    app.close()

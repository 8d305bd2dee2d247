"""The engine in the hands of a test: queues declared, outboxes relayed, queues looked into."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from postroad.core.message import Address, Message, Send
from postroad.core.topology import Queue, Topology
from postroad.drivers.sqlite.driver import SqliteDriver
from postroad.engine.identity import new_id
from postroad.reliability.origins import Origin, by_url
from postroad.reliability.relay import Relay

T = TypeVar("T")
QUEUE = "orders"
LOOK_EVERY_S = 0.01


def until(condition: Callable[[], Any], what: str, within_s: float = 20.0) -> Any:
    """The condition's first true answer. Fails with ``what`` when it does not come in time."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        answer = condition()
        if answer:
            return answer
        time.sleep(LOOK_EVERY_S)  # between two looks at what only others can make true
    raise AssertionError(f"not within {within_s:g} s: {what}")


async def auntil(condition: Callable[[], Awaitable[Any]], what: str, within_s: float = 20.0) -> Any:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        answer = await condition()
        if answer:
            return answer
        await asyncio.sleep(LOOK_EVERY_S)
    raise AssertionError(f"not within {within_s:g} s: {what}")


def send(body: str, key: str | None = None, to: str = QUEUE, **options: Any) -> Send:
    return Send(Address(to), Message(options.pop("id", None) or new_id(), f'"{body}"'.encode(), key=key, **options))


class Bench:
    """Each call opens the engine, works, and closes it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.file = url.removeprefix("sqlite:///")

    def run(self, work: Callable[[SqliteDriver], Awaitable[T]], *queues: Queue) -> T:
        async def worked() -> T:
            async with SqliteDriver(self.file) as driver:
                await declare(driver, *(queues or (Queue(QUEUE),)))
                return await work(driver)

        return asyncio.run(worked())

    def relay(self, origin: str | Origin, *queues: Queue) -> int:
        """All that is there; how many rows have gone."""
        relay = Relay(by_url(origin) if isinstance(origin, str) else origin, lambda: self.file)
        return self.run(relay.drain, *queues)

    def bodies(self, queue: str = QUEUE, *queues: Queue) -> list[str]:
        """What waits in the queue, in order."""
        return self.run(lambda driver: bodies(driver, queue), *queues)


async def declare(driver: SqliteDriver, *queues: Queue) -> None:
    await driver.apply(await driver.plan(Topology(queues)))


async def bodies(driver: SqliteDriver, queue: str = QUEUE) -> list[str]:
    found = await driver.peek(queue, 100_000)
    return [one.message.body.decode().strip('"') for one in found]

"""A one-task process: ``python -m postroad.worker.solo``, started by a child for ``executor="process"``.

It imports the app by its path, runs one message at a time, and ends when its child does.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from queue import SimpleQueue
from typing import Any

from postroad.core.delivery import Delivery
from postroad.core.outcome import Settlement
from postroad.drivers.registry import open_driver
from postroad.engine.handler import Job
from postroad.engine.pipeline import Pipeline
from postroad.errors import ConfigurationError
from postroad.worker.control import take_descriptor_0
from postroad.worker.hosted import HostedApp, load
from postroad.worker.setup import prepare_process
from postroad.worker.wire import TO_SOLO, CannotStart, Introduction, Progress, Reply, Wire, Work


def main() -> int:
    """Serve until the child goes."""
    wire = Wire(take_descriptor_0())
    introduction = wire.receive(TO_SOLO)
    assert isinstance(introduction, Introduction)
    prepare_process(introduction.options)
    work = listen(wire)
    try:
        asyncio.run(serve(wire, introduction, work))
    except Exception as error:
        wire.send(CannotStart(f"{type(error).__name__}: {error}"))
        return 1
    return 0


def listen(wire: Wire) -> SimpleQueue[Delivery]:
    """Read on a thread of its own: the end of the child ends this process also while a handler runs."""
    work: SimpleQueue[Delivery] = SimpleQueue()

    def read() -> None:
        try:
            while True:
                frame = wire.receive(TO_SOLO)
                if isinstance(frame, Work):
                    work.put(frame.delivery)
        except EOFError:
            os._exit(0)

    threading.Thread(target=read, name="postroad-child-watch", daemon=True).start()
    return work


async def serve(wire: Wire, introduction: Introduction, work: SimpleQueue[Delivery]) -> None:
    app = load(introduction.options)
    async with at_the_workers_url(app, introduction.options.url), app.open_resources() as state:
        pipeline = Pipeline(introduction.worker, state, lambda id, value: wire.send(Progress(id, value)))
        while True:
            delivery = work.get()  # nothing else runs on this loop between two messages
            settlement = await run(app, pipeline, delivery)
            wire.send(Reply(settlement.outcome, settlement.sends, settlement.writes))


@asynccontextmanager
async def at_the_workers_url(app: HostedApp, url: str | None) -> AsyncIterator[None]:
    """What handlers send at once goes where the worker takes from, also when that is not the app's own engine."""
    if url is None:
        yield
        return
    async with open_driver(url) as driver:
        with app.attach(driver):
            yield


async def run(app: HostedApp, pipeline: Pipeline, delivery: Delivery) -> Settlement:
    handler = app.resolve(delivery)
    if handler is None:
        raise ConfigurationError(f"{introduced(delivery)} is known to the child and not here: the app's code changed meanwhile.")
    job = Job(delivery, handler)
    if asyncio.iscoroutinefunction(handler.function):
        return await pipeline.run_async(job)
    return await asyncio.to_thread(pipeline.run, job)


def introduced(delivery: Delivery) -> Any:
    return delivery.message.headers.get("postroad-task", delivery.message.id)


if __name__ == "__main__":
    sys.exit(main())

"""A worker in this process: for scripts, tests, notebooks, and beside a web server."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, Protocol, Self

from postroad.app import hosting
from postroad.engine.portal import on_loop

DRAIN_S = 30.0


class Embedded(Protocol):
    """The worker itself (postroad.worker)."""

    def start(self) -> None: ...
    def stop(self, timeout_s: float) -> object: ...


class RunningWorker:
    """``with app.worker(): ...`` or ``async with``: handlers run on threads of this process until the block ends.

    At its end nothing more is taken, what runs may finish within ``drain_s``, and the rest goes back uncounted.
    """

    def __init__(self, app: Any, threads: int, concurrency: int, queues: Sequence[str] | None, drain_s: float) -> None:
        self.worker: Embedded = hosting.make("worker", app, threads=threads, concurrency=concurrency, queues=queues)
        self.drain_s = drain_s

    def __enter__(self) -> Self:
        if asyncio._get_running_loop() is not None:
            raise on_loop("with app.worker()", "async with app.worker(): ...")
        self.worker.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.worker.stop(self.drain_s)

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self.worker.start)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self.worker.stop, self.drain_s)


@contextmanager
def told_to_stop() -> Iterator[threading.Event]:
    """An event that SIGINT and SIGTERM set; a second signal is raised as KeyboardInterrupt. In the main thread only."""
    stop = threading.Event()

    def on_signal(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def run_until_told(worker: RunningWorker) -> None:
    """Blocking: until Ctrl-C or SIGTERM, then drain."""
    if threading.current_thread() is not threading.main_thread():
        with worker:
            threading.Event().wait()
    with told_to_stop() as stop, worker:
        stop.wait()

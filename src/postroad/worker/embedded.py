"""A worker without a supervisor, in the caller's own process: ``with app.worker():`` and ``app.run()``.

Handlers run in threads of this process, coroutines and the lifespan on a loop of their own. If the process dies, what
ran is charged by whoever sweeps next: another worker, or this one when it starts again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Sequence

import msgspec

from postroad.app.app import App
from postroad.core.lifecycle import advance
from postroad.drivers.registry import open_driver, parse
from postroad.errors import EngineError, UsageError
from postroad.ports.driver import Driver, Seat, Supervisable
from postroad.worker.enginethread import LoopThread
from postroad.worker.hosted import executors_used
from postroad.worker.importpath import path_of
from postroad.worker.options import WorkerOptions, checked
from postroad.worker.room import batched, room_of
from postroad.worker.runtime import Runtime
from postroad.worker.slots import NoSlots, StartSlots, acquit

logger = logging.getLogger("postroad.worker")

SWEEP_S = 1.0


class EmbeddedWorker:
    """Started once, stopped once. Both block: not on an event loop."""

    def __init__(
        self,
        app: App,
        threads: int = 4,
        concurrency: int = 100,
        queues: Sequence[str] | None = None,
        *,
        solos: int = 0,
        prefetch: int = 1000,
    ) -> None:
        self.app = app
        self.options = checked(
            WorkerOptions(
                app="", threads=threads, concurrency=concurrency, queues=tuple(queues or ()), solos=solos, prefetch=prefetch
            )
        )
        self.state = "STARTING"
        self.seat: Seat | None = None
        self.open = contextlib.AsyncExitStack()

    def start(self) -> None:
        """Consume from now on. Raises what the app's modules, the engine or the lifespan raise; then nothing is left running."""
        if self.state != "STARTING":
            raise UsageError("This worker was started before: make another with app.worker().")
        self.app.discover()
        if "process" in executors_used(self.app):
            self.options = msgspec.structs.replace(self.options, app=path_of(self.app))
        memory = self.app.engine() if parse(self.app.url).scheme == "memory" else None
        self.engine, self.user = LoopThread("postroad-engine"), LoopThread("postroad-user-loop")
        try:
            self.user.submit(self.begin(memory)).result()
        except BaseException:
            self.state = advance(self.state, "STOPPED")
            self.end_threads()
            raise
        self.state = advance(self.state, "RUNNING")

    def quiet(self) -> None:
        """Take nothing more for now; what is held goes on."""
        self.engine.submit(self.runtime.quiet()).result()

    def resume(self) -> None:
        """Take again, after `quiet`."""
        self.engine.submit(self.runtime.resume()).result()

    def stop(self, timeout_s: float) -> int:
        """Finish what runs within ``timeout_s``, give back the rest uncounted. Answers how many were given back."""
        if self.state == "STOPPED":
            return 0
        try:
            self.state = advance(self.state, "DRAINING")
            given_back = self.engine.submit(self.runtime.drain(timeout_s)).result()
            self.user.submit(self.close()).result()
        except BaseException:
            self.acquit()
            raise
        self.end_threads()
        self.state = advance(self.state, "STOPPED")
        return given_back

    # On the user's loop

    async def begin(self, memory: Driver | None) -> None:
        driver = memory if memory is not None else await self.engine.run(self.open_engine())
        try:
            await self.consume(driver)
        except BaseException:
            await self.engine.run(self.open.aclose())
            raise

    async def consume(self, driver: Driver) -> None:
        worker = f"{os.uname().nodename}:{os.getpid()}"
        slots = NoSlots() if self.seat is None else StartSlots(self.seat.slots_path, self.seat.slots, room_of(self.options).slots)
        self.runtime = Runtime(self.app, self.options, driver, self.engine, worker, slots, self.seat)
        await self.runtime.start()

    async def close(self) -> None:
        await self.runtime.close()
        await self.engine.run(self.leave_engine())

    # On the engine's loop

    async def open_engine(self) -> Driver:
        """A driver of our own, with a seat of our own, and the dead of before taken care of."""
        driver = await self.open.enter_async_context(open_driver(self.app.url))
        if isinstance(driver, Supervisable):
            self.seat = driver.reserve(room_of(self.options).slots + batched(self.app.batches()))
            await driver.sweep()
            self.sweeping = asyncio.create_task(self.sweep(driver))
        return driver

    async def sweep(self, keeper: Supervisable) -> None:
        while True:
            await asyncio.sleep(SWEEP_S)
            try:
                await keeper.sweep()
            except EngineError as error:
                logger.warning("dead workers' messages cannot be looked for now: %s", error)

    async def leave_engine(self) -> None:
        """What handlers that would not end still hold was given back; their process lives, so nothing is charged."""
        if self.seat is not None:
            self.sweeping.cancel()
            self.acquit()
            keeper = self.runtime.driver
            assert isinstance(keeper, Supervisable)
            await keeper.vacate(self.seat)
        await self.open.aclose()

    def acquit(self) -> None:
        if self.seat is not None:
            with contextlib.suppress(OSError):
                acquit(self.seat.slots_path)

    def end_threads(self) -> None:
        self.user.stop()
        self.engine.stop()



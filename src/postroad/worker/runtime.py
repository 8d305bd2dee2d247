"""What consumes, put together: one driver, one pipeline, the executors, one consumer. For children and embedded workers.

The engine's loop has a thread of its own; the user's coroutines and the lifespan have the loop that awaits `start`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, ExitStack
from typing import Any

from postroad.core.lifecycle import advance
from postroad.engine.consumer import ConsumerLoop
from postroad.engine.executor import Executor
from postroad.engine.pipeline import Pipeline
from postroad.engine.quotas import Quotas
from postroad.engine.sampling import note_published
from postroad.engine.statistics import statistics_for
from postroad.errors import ConfigurationError
from postroad.ports.driver import Driver, Seat, Subscription
from postroad.ports.store import Store
from postroad.tasks.orphan import OrphanHandler
from postroad.worker.enginethread import LoopThread
from postroad.worker.executors import CoroutineExecutor, ProcessExecutor, ThreadExecutor
from postroad.worker.executors.batches import async_runner, runner
from postroad.worker.hosted import HostedApp, executors_used
from postroad.worker.options import WorkerOptions
from postroad.worker.room import room_of
from postroad.worker.slots import NoSlots, StartSlots
from postroad.worker.wire import Introduction

logger = logging.getLogger("postroad.worker")

BEAT_MAX_S = 5.0
BEATS_A_LIMIT = 4
TURN_S = 0.005
CLOSE_TIMEOUT_S = 1.0
LIFESPAN_EXIT_S = 10.0
SERVICE_REST_S = 5.0


class Runtime:
    """STARTING > RUNNING > QUIET > DRAINING > STOPPED. ``driver`` is open, and stays so; ``engine`` is its loop.

    ``seat``: reserved by this very process; a child's driver has its own.
    """

    def __init__(
        self,
        app: HostedApp,
        options: WorkerOptions,
        driver: Driver,
        engine: LoopThread,
        worker: str,
        slots: StartSlots | NoSlots,
        seat: Seat | None = None,
    ) -> None:
        self.app = app
        self.options = options
        self.driver = driver
        self.engine = engine
        self.worker = worker
        self.slots = slots
        self.seat = seat
        self.state = "STARTING"
        self.open = AsyncExitStack()
        self.attached = ExitStack()
        self.consumer: ConsumerLoop | None = None
        self.executors: dict[str, Executor] = {}
        self.user_loop_asked = False
        self.serving: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Declare, run the lifespan, consume. On the user's loop. What fails is undone and raised."""
        self.user_loop = asyncio.get_running_loop()
        try:
            await self.engine.run(self.declare())
            self.attached.enter_context(self.app.attach(self.driver))
            resources = await self.open.enter_async_context(self.app.open_resources())
            await self.engine.run(self.consume(resources))
        except BaseException:
            await self.close()
            raise
        self.state = advance(self.state, "RUNNING")

    async def quiet(self) -> None:
        """Take nothing more, from the moment this returns. On the engine's loop."""
        if self.consumer is not None and self.state == "RUNNING":
            self.state = advance(self.state, "QUIET")
            await self.consumer.quiet()
            while self.consumer.waiting_in_turn:  # noqa: ASYNC110  one that was under way may still bring something
                await asyncio.sleep(TURN_S)

    async def resume(self) -> None:
        """Take again. On the engine's loop."""
        if self.consumer is not None and self.state == "QUIET":
            self.state = advance(self.state, "RUNNING")
            await self.consumer.resume()

    async def drain(self, timeout_s: float) -> int:
        """Finish what runs, give back the rest. On the engine's loop. Answers how many were given back."""
        self.state = advance(self.state, "DRAINING")
        if self.consumer is None:
            return 0
        for task in self.serving:
            task.cancel()
        await asyncio.gather(*self.serving, return_exceptions=True)
        given_back = await self.consumer.stop(timeout_s)
        logger.info("drained; %d messages given back", given_back, extra={"given_back": given_back})
        return given_back

    async def close(self) -> None:
        """End the executors and the lifespan. On the user's loop, after `drain`."""
        for executor in self.executors.values():
            await asyncio.to_thread(executor.close, CLOSE_TIMEOUT_S)
        try:
            async with asyncio.timeout(LIFESPAN_EXIT_S):
                await self.open.aclose()
        except TimeoutError:
            logger.warning("The lifespan did not end within %g s: left behind.", LIFESPAN_EXIT_S)
        except Exception:
            logger.exception("The lifespan failed as it ended.")
        self.attached.close()
        self.state = advance(self.state, "STOPPED")

    # On the engine's loop

    async def declare(self) -> None:
        await self.driver.apply(await self.driver.plan(self.app.topology(worker=True)))

    async def consume(self, resources: Any) -> None:
        pipeline = Pipeline(self.worker, resources)
        self.executors = self.build_executors(pipeline)
        self.consumer = self.build_consumer(pipeline, self.executors)
        await self.consumer.start()
        self.serving = [asyncio.create_task(serve(service, self.driver)) for service in (*self.app.services, note_published)]
        self.beat()

    def build_consumer(self, pipeline: Pipeline, executors: Mapping[str, Executor]) -> ConsumerLoop:
        queues = subscribed(self.app, self.options)
        if not queues:
            logger.warning("This worker takes from no queue: the app declares no task, consumer or subscription. Is it the right app?")
        return ConsumerLoop(
            self.driver,
            Subscription(queues, self.worker, self.seat),
            self.app.resolve,
            pipeline,
            executors,
            prefetch=self.options.prefetch,
            known=self.app.known,
            orphan=OrphanHandler(),
            store=self.driver if isinstance(self.driver, Store) else None,
            quotas=Quotas(queues, self.app.prefetches(), self.app.batches()) or None,
            statistics=statistics_for(self.worker),
        )

    def build_executors(self, pipeline: Pipeline) -> dict[str, Executor]:
        room, used = room_of(self.options), executors_used(self.app)
        introduction = Introduction(self.options, self.worker)
        batched = bool(self.app.batches())
        run = runner(pipeline) if batched else pipeline.run
        run_async = async_runner(pipeline) if batched else pipeline.run_async
        coroutines = CoroutineExecutor(
            room.coroutines, run_async, self.user_loop, self.slots, room.threads, shares=len(used) > 1
        )
        made: dict[str, Executor] = {
            "thread": ThreadExecutor(room.threads, run, self.slots, 0),
            "coroutine": coroutines,
            "process": ProcessExecutor(room.solos, introduction, pipeline, self.slots, room.threads + room.coroutines),
        }
        self.coroutines = coroutines
        return {kind: made[kind] for kind in used}

    def beat(self) -> None:
        """Every few seconds: this loop lives; and so does the user's, when it has coroutines to run."""
        if self.state == "STOPPED" or self.consumer is None:
            return
        self.slots.beat_engine_loop(self.consumer.progress)
        if self.coroutines.busy and not self.user_loop_asked:
            self.user_loop_asked = True
            self.user_loop.call_soon_threadsafe(self.beat_back)
        limit_s = min(self.options.stall_limit_s, self.options.progress_limit_s)
        self.engine.loop.call_later(min(BEAT_MAX_S, limit_s / BEATS_A_LIMIT), self.beat)

    def beat_back(self) -> None:
        self.user_loop_asked = False
        self.slots.beat_user_loop()


async def serve(service: Callable[[Driver], Awaitable[None]], driver: Driver) -> None:
    """Run it as long as the worker consumes; after an error of its own, again."""
    while True:
        try:
            await service(driver)
            return
        except Exception:
            logger.exception("A service of this worker failed; it starts again in %g s.", SERVICE_REST_S)
            await asyncio.sleep(SERVICE_REST_S)


def subscribed(app: HostedApp, options: WorkerOptions) -> tuple[str, ...]:
    """The queues to take from. Raises ConfigurationError, naming the nearest, for one the app does not declare."""
    declared = app.queues()
    for queue in options.queues:
        if queue not in declared:
            raise ConfigurationError(unknown_queue(queue, declared))
    return options.queues or declared


def unknown_queue(queue: str, declared: tuple[str, ...]) -> str:
    import difflib

    close = difflib.get_close_matches(queue, declared, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    return f"The app declares no queue {queue!r}{hint}. Declared: {', '.join(declared) or 'none'}."

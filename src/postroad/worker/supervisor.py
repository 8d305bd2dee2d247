"""The supervisor: starts children, watches them, and gives back what the dead held. Never imports user code.

Duties, in the order of a turn:
 1. Bury dead children: vacate their seats, so that what ran is charged and the rest goes back uncounted.
 2. Stop for good at a configuration error: another start would meet it again.
 3. Seat children that have imported the app, and open the engine at the first one's URL.
 4. Start children anew: later each time one does not live long; at once when it was drained to be replaced.
 5. Every second: sweep the seats of other dead workers.
 6. Every second: kill children that stall, with their stacks in the log; replace those that take nothing while
    messages wait.
 7. Every second with --reload: replace children when a source file changed.
 8. SIGTERM or SIGINT: drain; again: kill at once. Either way nothing is lost and nobody is charged.
Signals, deaths and words only wake it; all is done in its turns, one at a time.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import time
from pathlib import Path

from postroad.core.lifecycle import advance
from postroad.errors import EngineError, PostroadError
from postroad.worker.examination import Examination
from postroad.worker.nursery import Nursery, refuse_memory
from postroad.worker.options import WorkerOptions, checked
from postroad.worker.setup import set_up_logging
from postroad.worker.sources import SourceTree

logger = logging.getLogger("postroad.worker")

TICK_S = 1.0
EXIT_OK, EXIT_FAILED = 0, 1


def serve(options: WorkerOptions) -> int:
    """Run a worker in this process until it is told to stop; answers the exit code. From the main thread.

    Raises InvalidOption, InvalidURL or NotSupported for options that cannot work; what fails later is logged.
    """
    checked(options)
    if options.url is not None:
        refuse_memory(options.url)
    set_up_logging(options)
    return asyncio.run(Supervisor(options).run())


class Supervisor:
    """One worker. ``state`` as in core.lifecycle; ``ready``: every child consumes, and none was found at fault."""

    def __init__(self, options: WorkerOptions) -> None:
        self.options = options
        self.state = "STARTING"
        self.woken = asyncio.Event()
        self.nursery = Nursery(options, self.woken.set)
        self.examination = Examination(self.nursery)
        self.sources = SourceTree(str(Path.cwd())) if options.reload else None
        self.exit_code = EXIT_OK
        self.ready = False
        self.ticked_at = time.monotonic()

    async def run(self) -> int:
        """Until drained. Answers the exit code."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.signalled)
        loop.add_signal_handler(signal.SIGCHLD, self.woken.set)
        try:
            await self.live()
        except PostroadError as error:
            self.fail(str(error))
        finally:
            await self.nursery.close()
            self.show_ready(False)
        self.state = advance(self.state, "STOPPED")
        return self.exit_code

    async def live(self) -> None:
        self.nursery.start_due()
        if self.options.url is not None:
            await self.nursery.open_engine(self.options.url)
        while not (self.state == "DRAINING" and not self.nursery.children):
            await self.turn()
            await self.sleep()

    async def turn(self) -> None:
        self.nursery.bury_dead()
        await self.nursery.vacate()
        self.stop_if_misconfigured()
        await self.nursery.seat_ready()
        self.nursery.start_due()
        self.nursery.end_late()
        if time.monotonic() - self.ticked_at >= TICK_S:
            self.ticked_at = time.monotonic()
            await self.tick_safely()
        self.note_readiness()

    async def tick_safely(self) -> None:
        """A look that fails (the run folder is gone, the disk is full) takes no healthy child down."""
        try:
            await self.tick()
        except Exception:
            logger.exception("this second's look at the children failed; the next one may not")

    async def tick(self) -> None:
        await self.sweep()
        await self.examination.look()
        self.reload()

    async def sleep(self) -> None:
        """Until something happens, or the next second."""
        left_s = min(TICK_S, self.nursery.next_start() - time.monotonic())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(left_s, 0.0)):
                await self.woken.wait()
        self.woken.clear()

    # Duties

    def stop_if_misconfigured(self) -> None:
        """Told once, however many children met it. With --reload an altered file may mend it."""
        if self.nursery.misconfigured:
            first = self.nursery.misconfigured[0]
            self.nursery.misconfigured.clear()
            trace = f"\n{first.traceback.rstrip()}" if first.traceback else ""
            if self.sources is None:
                self.fail(first.error + trace)
            else:
                logger.error("%s. Waiting for a change of the source.%s", first.error.rstrip("."), trace)

    def fail(self, error: str) -> None:
        """Once: what it was, and the end of the worker."""
        if self.exit_code == EXIT_OK:
            logger.critical("%s", error)
            self.exit_code = EXIT_FAILED
        self.drain(0.0)

    async def sweep(self) -> None:
        if self.nursery.keeper is None:
            return
        try:
            count = await self.nursery.keeper.sweep()
        except EngineError as error:
            logger.warning("dead workers' messages cannot be looked for now: %s", error)
        else:
            if count:
                logger.warning("took back %d messages of a dead worker", count, extra={"messages": count})

    def reload(self) -> None:
        changed = self.sources.changed() if self.sources is not None else ""
        if changed and self.state != "DRAINING":
            logger.info("%s changed: restarting", changed, extra={"file": changed})
            self.nursery.start_all_now()
            for child in self.nursery.children.values():
                self.nursery.drain_child(child, self.options.drain_s, replace=True)

    def note_readiness(self) -> None:
        children = self.nursery.children.values()
        ready = (
            len(children) == self.options.processes
            and all(child.running_since is not None and child.deadline is None for child in children)
            and not self.examination.faults
        )
        if ready != self.ready:
            self.show_ready(ready)
        if ready and self.state == "STARTING":
            self.state = advance(self.state, "RUNNING")

    def show_ready(self, ready: bool) -> None:
        """In the log, and by a file that is there or not."""
        if ready != self.ready:
            logger.info("ready" if ready else "not ready", extra={"ready": ready, "children": len(self.nursery.children)})
        self.ready = ready
        if self.options.ready_file is not None:
            path = Path(self.options.ready_file)
            if ready:
                path.write_text(f"{os.getpid()}\n")
            else:
                path.unlink(missing_ok=True)

    # Ending

    def signalled(self) -> None:
        if self.state != "DRAINING":
            logger.info("draining for up to %g s; a second signal stops at once", self.options.drain_s)
            self.drain(self.options.drain_s)
        else:
            logger.warning("stopping at once; what runs goes back uncounted")
            self.exit_code = EXIT_FAILED
            self.nursery.end_all()
        self.woken.set()

    def drain(self, timeout_s: float) -> None:
        if self.state != "DRAINING":
            self.state = advance(self.state, "DRAINING")
        self.nursery.drain(timeout_s)

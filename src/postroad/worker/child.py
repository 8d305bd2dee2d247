"""A child: ``python -m postroad.worker.child``, started by a supervisor, which speaks to it on descriptor 0.

The main thread has the user's loop. The engine's thread reads what the supervisor says, so that a child whose user
code blocks can still be told to drain.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import sys
import threading
import traceback

from postroad.drivers.registry import open_driver
from postroad.errors import ConfigurationError, NotSupported, PostroadError
from postroad.ports.driver import Seat
from postroad.worker import setup
from postroad.worker.control import Configure, Drain, Entered, Failed, Hello, Link, Seated, take_descriptor_0
from postroad.worker.enginethread import LoopThread
from postroad.worker.hosted import HostedApp, load
from postroad.worker.options import WorkerOptions
from postroad.worker.room import batched, room_of
from postroad.worker.runtime import Runtime, subscribed
from postroad.worker.slots import StartSlots

logger = logging.getLogger("postroad.worker")

EXIT_CONFIGURATION = 78
EXIT_FAILED = 1
LAST_RESORT_S = 15.0


def main() -> int:
    """Import the app, take the seat, consume until told to stop. Answers the exit code."""
    link = Link(take_descriptor_0())
    told = link.wait()
    if not isinstance(told, Configure):
        return EXIT_FAILED
    setup.prepare_process(told.options)
    try:
        app = import_app(told.options)
        link.say(Hello(told.options.url or app.url, subscribed(app, told.options), batched(app.batches())))
        seat = take_seat(link)
        return EXIT_FAILED if seat is None else run(link, app, told.options, seat)
    except Exception as error:
        link.say(failed(error))
        return EXIT_CONFIGURATION if is_configuration(error) else EXIT_FAILED


class AppNotImported(ConfigurationError):
    """The user's own module raised while it was imported."""


def import_app(options: WorkerOptions) -> HostedApp:
    try:
        return load(options)
    except PostroadError:
        raise
    except Exception as error:
        raise AppNotImported(f"Importing {options.app} failed: {type(error).__name__}: {error}") from error


def is_configuration(error: BaseException) -> bool:
    return isinstance(error, ConfigurationError | NotSupported)


def failed(error: Exception) -> Failed:
    """In the error's own words; with the traceback where it is the user's code that raised."""
    text = str(error) if isinstance(error, PostroadError) else f"{type(error).__name__}: {error}"
    raised = error.__cause__ if isinstance(error, AppNotImported) else error
    wanted = raised is not None and not isinstance(raised, PostroadError)
    trace = "".join(traceback.format_exception(raised)) if wanted else ""
    return Failed(text or type(error).__name__, is_configuration(error), trace)


def take_seat(link: Link) -> Seat | None:
    """The seat, with its descriptors; None when the supervisor is gone, or has no more use for this child."""
    seated = link.wait()
    if not isinstance(seated, Seated):
        return None
    lock, stacks = link.descriptors
    for fd in (lock, stacks):
        os.set_inheritable(fd, False)
    setup.dump_stacks_into(stacks)
    return Seat(seated.name, lock, seated.slots_path, seated.slots)


def run(link: Link, app: HostedApp, options: WorkerOptions, seat: Seat) -> int:
    worker = f"{os.uname().nodename}:{os.getpid()}"
    driver = open_driver(options.url or app.url, seat=seat, worker=worker)
    engine = LoopThread("postroad-engine")
    runtime = Runtime(app, options, driver, engine, worker, StartSlots(seat.slots_path, seat.slots, room_of(options).slots))
    asyncio.run(Host(link, runtime).serve())
    if any(thread.name.startswith("postroad-handler") for thread in threading.enumerate()):
        leave_handlers_behind()
    return 0


def leave_handlers_behind() -> None:
    """Handlers that did not end in time cannot be stopped; their messages were given back, so end under them."""
    logging.shutdown()
    sys.stdout.flush()
    os._exit(0)


class Host:
    """A runtime between its supervisor's words and the process's signals."""

    def __init__(self, link: Link, runtime: Runtime) -> None:
        self.link = link
        self.runtime = runtime
        self.engine = runtime.engine
        self.drain_s = runtime.options.drain_s
        self.draining = False

    async def serve(self) -> None:
        """On the user's loop, until drained."""
        self.loop = asyncio.get_running_loop()
        self.ended = asyncio.Event()
        await self.engine.run(self.runtime.driver.__aenter__())
        await self.runtime.start()
        gc.freeze()  # what was imported stays: collections need not look at it again
        self.loop.add_signal_handler(signal.SIGTERM, self.drain_from_anywhere, self.drain_s)
        self.link.say(Entered(self.runtime.state))
        self.engine.loop.call_soon_threadsafe(self.listen)
        await self.ended.wait()
        await self.runtime.close()
        await self.engine.run(self.runtime.driver.__aexit__(None, None, None))
        await asyncio.to_thread(self.engine.stop)

    def drain_from_anywhere(self, timeout_s: float) -> None:
        self.engine.loop.call_soon_threadsafe(self.drain, timeout_s)

    # On the engine's loop

    def listen(self) -> None:
        self.engine.loop.add_reader(self.link.sock, self.hear)
        self.obey()

    def hear(self) -> None:
        self.link.read()
        self.obey()

    def obey(self) -> None:
        while self.link.said:
            told = self.link.said.pop(0)
            if isinstance(told, Drain):
                self.drain(told.timeout_s)
        if self.link.ended:
            self.engine.loop.remove_reader(self.link.sock)
            logger.warning("the supervisor is gone: draining")
            self.drain(self.drain_s)

    def drain(self, timeout_s: float) -> None:
        if not self.draining:
            self.draining = True
            self.task = self.engine.loop.create_task(self.drain_and_end(timeout_s))

    async def drain_and_end(self, timeout_s: float) -> None:
        given_back = await self.runtime.drain(timeout_s)
        self.link.say(Entered("STOPPED", given_back))
        self.loop.call_soon_threadsafe(self.ended.set)
        last_resort = threading.Timer(LAST_RESORT_S, os._exit, (0,))
        last_resort.daemon = True
        last_resort.start()


if __name__ == "__main__":
    sys.exit(main())

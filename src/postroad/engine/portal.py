"""The portal: one event loop on one thread per process, through which blocking code reaches coroutines."""

from __future__ import annotations

import asyncio
import atexit
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

from postroad.engine.forks import on_fork
from postroad.errors import BlockingCallOnLoop, Closed, UsageError

T = TypeVar("T")

STOP_TIMEOUT_S = 5.0
LEFT_TO_PARENTS: list[asyncio.AbstractEventLoop | None] = []


class Portal:
    """Started by its first use, made anew after a fork, closed when the interpreter exits."""

    loop: asyncio.AbstractEventLoop | None = None

    def __init__(self) -> None:
        self.after_fork()
        on_fork(self)

    def after_fork(self) -> None:
        """The thread did not come along; the loop is kept, unused, so that nothing of the parent's is closed."""
        LEFT_TO_PARENTS.append(self.loop)
        self.lock = threading.Lock()
        self.loop = None
        self.thread: threading.Thread | None = None
        self.finished = False

    def run(self, coroutine: Coroutine[Any, Any, T], timeout_s: float | None = None) -> T:
        """The coroutine's answer. Ctrl-C ends the wait and cancels the coroutine; so does the timeout (TimeoutError)."""
        future = self.submit(coroutine)
        try:
            return future.result(timeout_s)
        finally:
            future.cancel()

    async def wait(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """The same from another event loop, or from the portal's own."""
        if threading.current_thread() is self.thread:
            return await coroutine
        return await asyncio.wrap_future(self.submit(coroutine))

    def begin(self, coroutine: Coroutine[Any, Any, T]) -> asyncio.Future[T]:
        """Start it on the portal's loop, to be awaited on this one, which may be the portal's own."""
        if threading.current_thread() is self.thread:
            return asyncio.ensure_future(coroutine)
        return asyncio.wrap_future(self.submit(coroutine))

    def submit(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        """From any thread but the portal's own, where waiting for the answer would wait for ever."""
        try:
            return asyncio.run_coroutine_threadsafe(coroutine, self.running())
        except BaseException:
            coroutine.close()
            raise

    def running(self) -> asyncio.AbstractEventLoop:
        if threading.current_thread() is self.thread:
            raise UsageError("A blocking verb was called on the portal's own thread, where it would wait for itself.")
        with self.lock:
            return self.loop or self.start()

    def start(self) -> asyncio.AbstractEventLoop:
        if self.finished:
            raise Closed("The interpreter is exiting: close the app before, and send nothing from exit handlers.")
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.serve, args=(self.loop,), name="postroad-portal", daemon=True)
        self.thread.start()
        return self.loop

    def serve(self, loop: asyncio.AbstractEventLoop) -> None:
        asyncio.set_event_loop(loop)
        loop.run_forever()
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()

    def close(self) -> None:
        """Stop the thread; nothing can be run afterwards in this process."""
        with self.lock:
            loop, thread, self.loop, self.finished = self.loop, self.thread, None, True
        if loop is not None and thread is not None:
            loop.call_soon_threadsafe(loop.stop)
            thread.join(STOP_TIMEOUT_S)


PORTAL = Portal()
atexit.register(PORTAL.close)


def refuse_on_loop(verb: str, line: str) -> None:
    """Raise BlockingCallOnLoop, showing the line to write, when this thread is running an event loop."""
    if asyncio._get_running_loop() is not None:
        raise on_loop(f"{verb}()", f"await {line}")


def on_loop(what: str, line: str) -> BlockingCallOnLoop:
    return BlockingCallOnLoop(
        f"{what} blocks, and this thread runs an event loop, which would stand still meanwhile. Write: {line}"
    )

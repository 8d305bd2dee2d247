"""Waiting for a ring, with the next look under way before the waiting loop has even woken.

From a ring to a running handler there are changes of thread, and each costs a tenth of a millisecond or more. So
whoever hears the ring asks for the turn at once, and the loop finds its answer coming.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

from postroad.errors import Closed

T = TypeVar("T")


class Vigil(Generic[T]):
    """``ask``: submits the next turn, from any thread. At most one is asked for early, and only while `rest` waits."""

    def __init__(self, ask: Callable[[], Future[T]]) -> None:
        self.ask = ask
        self.loop = asyncio.get_running_loop()
        self.rung = asyncio.Event()
        self.lock = threading.Lock()
        self.resting = False
        self.early: Future[T] | None = None

    def wake(self) -> None:
        """A commit may concern us. From any thread."""
        with self.lock:
            if self.resting:
                self.resting = False
                with contextlib.suppress(Closed):
                    self.early = self.ask()
        self.stir()

    def stir(self) -> None:
        """Let `rest` return, without a look. From any thread."""
        with contextlib.suppress(RuntimeError):
            self.loop.call_soon_threadsafe(self.rung.set)

    async def rest(self, timeout_s: float) -> Future[T] | None:
        """Until a ring or ``timeout_s``. Answers the turn that is under way already, which must be awaited."""
        self.resting = not self.rung.is_set()
        try:
            async with asyncio.timeout(timeout_s):
                await self.rung.wait()
        except TimeoutError:
            pass
        finally:
            self.rung.clear()
            with self.lock:
                self.resting = False
                early, self.early = self.early, None
        return early

"""The engine's event loop, on a thread of its own: user code never runs there, so it turns whatever handlers do."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")


class LoopThread:
    """An event loop that runs from construction until `stop`."""

    def __init__(self, name: str) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.serve, name=name, daemon=True)
        self.thread.start()

    def serve(self) -> None:
        asyncio.set_event_loop(self.loop)
        try:
            self.loop.run_forever()
        finally:
            self.loop.close()

    def submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Run it there. From any thread."""
        return asyncio.run_coroutine_threadsafe(work, self.loop)

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run it there and wait here, on another loop."""
        return await asyncio.wrap_future(self.submit(work))

    def stop(self, timeout_s: float = 5.0) -> None:
        """Cancel what is under way and end the thread. Blocking; not from the thread itself."""
        if not self.loop.is_closed():
            self.submit(self.wind_up())
            self.thread.join(timeout_s)

    async def wind_up(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        if others:
            await asyncio.wait(others, timeout=1.0)
        await self.loop.shutdown_default_executor()
        self.loop.call_soon(self.loop.stop)

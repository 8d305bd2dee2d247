"""An app's engine: opened by its first use, once a process, with what the app declares applied to it."""

from __future__ import annotations

import asyncio
import atexit
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol, cast, runtime_checkable

from postroad.core.topology import Topology
from postroad.drivers.registry import open_driver
from postroad.engine.forks import on_fork
from postroad.engine.portal import PORTAL
from postroad.engine.puller import Puller
from postroad.errors import Closed, NotSupported
from postroad.ports.driver import Driver, PublishesFromThreads
from postroad.tasks.memory import Memory

CLOSE_TIMEOUT_S = 30.0


@runtime_checkable
class ClosesFromThreads(Protocol):
    """A driver that needs no event loop to close, which at the interpreter's exit can no longer use threads of its pool."""

    def close(self) -> None: ...


class EngineConnection:
    """``url`` is asked at the first use. ``ready`` is the driver while nothing is left to do before a send; so is
    ``direct``, for an engine that takes batches from any thread."""

    def __init__(
        self, url: Callable[[], str], topology: Callable[[], Topology], make: Callable[[str], Driver] = open_driver
    ) -> None:
        self.url = url
        self.topology = topology
        self.make = make
        self.driver: Driver | None = None
        self.lent = False
        self.ready: Driver | None = None
        self.direct: PublishesFromThreads | None = None
        self.closed = False
        self.lock = asyncio.Lock()
        self.puller: Puller | None = None
        on_fork(self)
        OPEN.add(self)

    def after_fork(self) -> None:
        """Whoever held the lock did not come along; the driver reopens by itself."""
        self.lock = asyncio.Lock()
        if self.puller is not None:
            self.puller.after_fork()
            self.puller = None

    def changed(self) -> None:
        """Something more was declared: it is applied before the next send."""
        self.ready = self.direct = None

    @property
    def in_use(self) -> bool:
        """Whether this process has opened it: only then it has queues of its own there."""
        return self.driver is not None

    async def ensure(self) -> Driver:
        """The open driver, all that is declared applied. On the portal's loop."""
        if self.ready is not None:
            return self.ready
        async with self.lock:
            driver = self.driver or await self.open()
            topology = self.topology()
            await driver.apply(await driver.plan(topology))
            self.use(driver)
            return driver

    async def open(self) -> Driver:
        if self.closed:
            raise Closed("This app was closed: nothing can be sent or asked through it. Use it inside `with app:`, or before app.close().")
        driver = self.make(self.url())
        await driver.__aenter__()
        self.driver = driver
        return driver

    def use(self, driver: Driver) -> None:
        self.direct = driver if isinstance(driver, PublishesFromThreads) else None
        self.ready = driver

    async def memory(self) -> Memory:
        """The engine as a store. Raises NotSupported where it is none."""
        driver = await self.ensure()
        if not hasattr(driver, "commit"):
            raise NotSupported("This engine keeps no results, and there is no store: give App(store=...).")
        return cast(Memory, driver)

    async def pulling(self) -> Puller:
        """Takes messages by hand, through the open engine."""
        driver = await self.ensure()
        if self.puller is None or self.puller.driver is not driver:
            await self.pull_no_more()
            self.puller = Puller(driver)
        return self.puller

    async def pull_no_more(self) -> None:
        """What is still held goes back."""
        puller, self.puller = self.puller, None
        if puller is not None:
            await puller.close()

    @contextmanager
    def attached(self, driver: Driver) -> Iterator[None]:
        """Use this open driver, and leave it open: a worker lends its own to the app it runs."""
        before = self.driver, self.lent
        self.driver, self.lent = driver, True
        self.changed()
        try:
            yield
        finally:
            if self.puller is not None:
                PORTAL.run(self.pull_no_more(), CLOSE_TIMEOUT_S)
            self.driver, self.lent = before
            self.changed()

    async def close(self) -> None:
        """Once more does nothing. On the portal's loop."""
        self.closed = True
        self.changed()
        await self.pull_no_more()
        driver, self.driver = self.driver, None
        if driver is not None and not self.lent:
            await driver.__aexit__(None, None, None)

    def reopen(self) -> None:
        """It may be used again."""
        self.closed = False


OPEN: weakref.WeakSet[EngineConnection] = weakref.WeakSet()


def close_all() -> None:
    """At the interpreter's exit: engines close in order, rather than with their threads."""
    for connection in list(OPEN):
        driver = connection.driver
        if driver is None or connection.lent:
            continue
        if isinstance(driver, ClosesFromThreads):
            driver.close()
        else:
            PORTAL.run(connection.close(), CLOSE_TIMEOUT_S)


atexit.register(close_all)

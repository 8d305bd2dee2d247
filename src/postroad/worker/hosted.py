"""What the worker needs of an application, and how it gets one by its path."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol

from postroad.core.delivery import Delivery
from postroad.core.topology import Topology
from postroad.engine.handler import Handler
from postroad.ports.driver import Driver
from postroad.worker.options import WorkerOptions

if TYPE_CHECKING:
    from postroad.app.app import App


class HostedApp(Protocol):
    """An application as a worker sees it."""

    @property
    def url(self) -> str: ...
    @property
    def tasks(self) -> Mapping[str, Any]: ...
    def resolve(self, delivery: Delivery) -> Handler | None: ...
    def topology(self, *, worker: bool = False) -> Topology: ...
    def queues(self) -> tuple[str, ...]: ...
    def prefetches(self) -> Mapping[str, int]: ...
    def batches(self) -> Mapping[str, int]: ...
    def executors(self) -> frozenset[str]: ...
    def known(self) -> tuple[str, ...]: ...
    @property
    def services(self) -> Sequence[Callable[[Driver], Awaitable[None]]]: ...
    def open_resources(self) -> AbstractAsyncContextManager[Any]: ...
    def attach(self, driver: Driver) -> AbstractContextManager[Any]: ...


def load(options: WorkerOptions) -> App:
    """Import the app. Raises ConfigurationError when there is none at that path."""
    from postroad.app.discovery import load as load_app

    return load_app(options.app)


def executors_used(app: HostedApp) -> frozenset[str]:
    """Where this app's handlers run: a pool that nobody needs would only hold messages back."""
    return app.executors() or frozenset({"thread"})

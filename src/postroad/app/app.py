"""The App: what users write against, and where everything is put together."""

from __future__ import annotations

import importlib
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, contextmanager
from datetime import tzinfo
from types import TracebackType
from typing import Any, Self, TypeVar, overload

from postroad.app import hosting, sending
from postroad.app.config import engine_url
from postroad.app.connection import EngineConnection
from postroad.app.declaring import DeclaresTasks
from postroad.app.declaring_events import PublishesEvents
from postroad.app.declaring_queues import DeclaresQueues, LooksAtDeadLetters
from postroad.app.eager import EagerBus, EagerConnection
from postroad.app.handlers import Handlers
from postroad.app.lifespan import Lifespan, opened
from postroad.app.middleware import Middleware
from postroad.app.outbound import hooked
from postroad.app.outboxes import WritesOutboxes
from postroad.app.parts import P, Parts
from postroad.app.registry import AnyTask, Registry, topology_of
from postroad.app.router import Router
from postroad.app.running import DRAIN_S, RunningWorker, run_until_told
from postroad.app.settings import Settings
from postroad.app.unbuilt import Unbuilt
from postroad.app.waiting import ends, may_wait_for, values
from postroad.core.delivery import Delivery
from postroad.core.durations import Duration
from postroad.core.message import BODY_BYTES_MAX
from postroad.core.topology import Topology, merged
from postroad.engine.handler import Handler
from postroad.engine.portal import PORTAL, refuse_on_loop
from postroad.engine.publisher import Publisher, importing, send_now
from postroad.errors import ConfigurationError, NotSupported
from postroad.events.publishing import EventPublisher
from postroad.ports.driver import Driver
from postroad.reliability.origins import Given
from postroad.tasks.options import TaskOptions
from postroad.tasks.result import Result
from postroad.tasks.route import Route
from postroad.tasks.signature import Signature
from postroad.tasks.task import Task

R = TypeVar("R")
T = TypeVar("T")


class App(DeclaresTasks, DeclaresQueues, LooksAtDeadLetters, PublishesEvents, WritesOutboxes, Unbuilt):
    """Tasks on one engine, named by its URL.

    ``url``: read at the first use; None means $POSTROAD_URL, else [tool.postroad] url, else postroad.db beside the nearest
    pyproject.toml. ``task_defaults``: options of every task that says nothing else. ``timezone``: of datetimes without
    one. ``durability``: "full", or "relaxed" (an accepted message may be lost with the machine's power). ``include``:
    modules with declarations, imported when a worker starts. ``lifespan``: a context manager per worker child, what it
    yields is ``current.state``. ``body_bytes_max``: of a call, and of a result. ``outbox``: the database whose outbox the
    workers relay: a URL, a function that answers a new connection, or a list of these. Not built yet, and refused: tasks, queues,
    events, streams, another store, signing_key, encryption.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        name: str = "app",
        tasks: str | None = None,
        queues: str | None = None,
        events: str | None = None,
        streams: str | None = None,
        store: str | None = None,
        task_defaults: TaskOptions | None = None,
        timezone: str = "UTC",
        durability: str = "full",
        include: Sequence[str] = (),
        lifespan: Lifespan | None = None,
        body_bytes_max: int = BODY_BYTES_MAX,
        signing_key: Any = None,
        encryption: Any = None,
        outbox: Given | Sequence[Given] | None = None,
    ) -> None:
        refuse_unbuilt(tasks=tasks, queues=queues, events=events, streams=streams, signing_key=signing_key, encryption=encryption)
        refuse_unbuilt(store=None if store == url else store)
        self.settings = Settings(name, task_defaults or TaskOptions(), timezone, durability, body_bytes_max)
        self.given_url = url
        self.found_url: str | None = None
        self.included = list(include)
        self.lifespan = lifespan
        self.registry = Registry()
        self.parts = Parts()
        self.blocking_queues: frozenset[str] | None = None
        self.outgoing_events = EventPublisher(self)
        self.middlewares: list[Middleware] = []
        self.handlers = Handlers(self.registry, self.parts, self)
        self.resolve: Callable[[Delivery], Handler | None] = self.handlers.resolve
        self.services: list[Callable[[Driver], Awaitable[None]]] = []
        self.connection = EngineConnection(lambda: self.url, self.topology)
        self.plain_route = Route(Publisher(self.connection, durability), self.connection.memory)
        self.route = self.plain_route
        if outbox is not None:
            self.relay(outbox, name)

    # What was said

    @property
    def name(self) -> str:
        """The app's name."""
        return self.settings.name

    @property
    def url(self) -> str:
        """The engine's URL, the path of a file made absolute; found at its first use, and the same from then on."""
        if self.found_url is None:
            self.found_url = engine_url(self.given_url)
        return self.found_url

    @property
    def task_defaults(self) -> TaskOptions:
        """Options of every task that says nothing else."""
        return self.settings.task_defaults

    @property
    def tzinfo(self) -> tzinfo:
        """The zone of datetimes without one."""
        return self.settings.tzinfo

    @property
    def body_bytes_max(self) -> int:
        """Most bytes of a call, and of a result."""
        return self.settings.body_bytes_max

    @property
    def tasks(self) -> Mapping[str, AnyTask]:
        """Every task declared so far, by name."""
        return self.registry.view

    # Declaring

    def adopt(self, task: AnyTask) -> None:
        """Take in a task."""
        self.registry.add(task)
        task.definition.owner = self
        self.handlers.changed()
        self.connection.changed()

    def declare(self, part: P) -> P:
        """Take in a queue, an exchange, a subscription, ...; declaring does no I/O."""
        self.parts.add(part)
        self.blocking_queues = None
        part.adopt(self)
        self.handlers.changed()
        self.connection.changed()
        return part

    def include(self, *parts: Router | str) -> None:
        """Take in what a router declares, or a module by its name (imported when a worker starts)."""
        for part in parts:
            if isinstance(part, str):
                self.included.append(part)
                continue
            for task in part.tasks:
                self.adopt(task)
            for one in part.parts:
                self.declare(one)

    def use(self, middleware: Middleware) -> None:
        """Add hooks around sends and handlers. Before the first of either."""
        if not isinstance(middleware, Middleware):
            raise ConfigurationError(f"app.use({middleware!r}): give it an instance of a class that inherits postroad.Middleware.")
        self.middlewares.append(middleware)
        self.handlers.use(self.middlewares)
        self.route = hooked(self.plain_route, self.middlewares)

    def discover(self) -> None:
        """Import the included modules. Raises SentAtImport for a send while they are imported."""
        for name in self.included:
            with importing(name):
                importlib.import_module(name)

    def topology(self, *, worker: bool = False) -> Topology:
        """All that the app declares; for a worker, also the temporary queues of its process."""
        tasks = topology_of(task.definition.policy(self).queue for task in self.registry.by_name.values())
        return merged([self.parts.topology(worker=worker), tasks])

    def queues(self) -> tuple[str, ...]:
        """The queues that its handlers take from, by name."""
        tasks = {task.definition.policy(self).queue for task in self.registry.by_name.values()}
        return tuple(sorted(tasks | set(self.parts.sources)))

    def prefetches(self) -> dict[str, int]:
        """Queues of which a process holds only so many deliveries."""
        return {name: source.prefetch for name, source in self.parts.sources.items() if source.prefetch is not None}

    @property
    def blocking(self) -> frozenset[str]:
        """Queues of this app that let their producers wait when they are full."""
        if self.blocking_queues is None:
            queues = self.parts.topology(worker=False).queues
            self.blocking_queues = frozenset(queue.name for queue in queues if queue.overflow == "block")
        return self.blocking_queues

    def batches(self) -> dict[str, int]:
        """The largest batch of each queue whose handlers take lists."""
        sizes = {
            name: max((one.batch.size for one in source.handlers if one.batch is not None), default=0)
            for name, source in self.parts.sources.items()
        }
        return {name: size for name, size in sizes.items() if size}

    def executors(self) -> frozenset[str]:
        """Where its handlers run."""
        return self.handlers.executors()

    def known(self) -> tuple[str, ...]:
        """The names of all its handlers."""
        return self.handlers.known()

    # Sending

    def send_many(self, signatures: Iterable[Signature[R]]) -> list[Result[R]]:
        """Send many calls: in batches, each of them durable as a whole; all of them when this returns."""
        return sending.send_many(self, signatures)

    async def asend_many(self, signatures: Iterable[Signature[R]]) -> list[Result[R]]:
        """Send many calls: in batches, each of them durable as a whole; all of them when this returns."""
        return await sending.asend_many(self, signatures)

    def send_now(self) -> AbstractContextManager[None]:
        """Inside a handler: what is sent in this block leaves at once, whatever becomes of the handler."""
        return send_now()

    # Results

    @overload
    def result(self, id: str) -> Result[Any]: ...
    @overload
    def result(self, id: str, *, of: Task[..., R, Any]) -> Result[R]: ...
    def result(self, id: str, *, of: AnyTask | None = None) -> Result[Any]:
        """The Result of this id; no I/O. With ``of``, the value is decoded by that task's return annotation."""
        return Result(id, self.route, of.definition if of is not None else None)

    def results(self, ids: Iterable[str]) -> list[Result[Any]]:
        """The Results of these ids; no I/O."""
        return [self.result(id) for id in ids]

    def revoke(self, id: str, *, terminate: bool = False, reason: str = "revoked") -> bool:
        """Cancel a task by its id: see Result.revoke."""
        return self.result(id).revoke(terminate=terminate, reason=reason)

    async def arevoke(self, id: str, *, terminate: bool = False, reason: str = "revoked") -> bool:
        """Cancel a task by its id: see Result.revoke."""
        return await self.result(id).arevoke(terminate=terminate, reason=reason)

    def wait_all(self, results: Iterable[Result[R]], timeout: Duration | None = None, *, in_handler: bool = False) -> list[R]:
        """The values of all, in order, when all have ended. Raises GroupFailed with the errors of those that failed."""
        refuse_on_loop("app.wait_all", "app.await_all(...)")
        wanted = list(results)
        waits = may_wait_for(wanted, timeout, in_handler)
        return values(wanted, PORTAL.run(ends(self.route, wanted, timeout, waits)))

    async def await_all(self, results: Iterable[Result[R]], timeout: Duration | None = None, *, in_handler: bool = False) -> list[R]:
        """The values of all, in order, when all have ended. Raises GroupFailed with the errors of those that failed."""
        wanted = list(results)
        waits = may_wait_for(wanted, timeout, in_handler)
        return values(wanted, await PORTAL.wait(ends(self.route, wanted, timeout, waits)))

    # The worker's side

    def open_resources(self) -> AbstractAsyncContextManager[Any]:
        """The lifespan, entered by a worker's child; what it yields is ``current.state``."""
        return opened(self.lifespan, self)

    def attach(self, driver: Driver) -> AbstractContextManager[None]:
        """Send and ask through this open driver for a while, rather than open a second one."""
        return self.connection.attached(driver)

    def run(self, processes: int = 1, threads: int = 4, concurrency: int = 100, queues: Sequence[str] | None = None) -> None:
        """A worker in this process, until Ctrl-C or SIGTERM; then it drains."""
        if processes != 1:
            raise NotSupported(f"app.run(processes={processes}): not built yet. Use `postroad worker module:app -p {processes}`.")
        run_until_told(self.worker(threads, concurrency, queues))

    def worker(
        self, threads: int = 4, concurrency: int = 100, queues: Sequence[str] | None = None, drain_s: float = DRAIN_S
    ) -> RunningWorker:
        """``with app.worker(): ...`` or ``async with``: handlers run in this process until the block ends."""
        return RunningWorker(self, threads, concurrency, queues, drain_s)

    @property
    def has_engine(self) -> bool:
        """Whether what is sent now goes to an engine; not in eager mode."""
        return not isinstance(self.plain_route.outbound, EagerBus)

    # Tests, looks, closing

    @contextmanager
    def eager(self) -> Iterator[EagerBus]:
        """Meanwhile what is sent runs at once, in the caller: tasks, and events in every group that named them.

        What a handler sends runs after it. One that fails is isolated: ``with app.eager() as bus:``, ``bus.errors``.
        """
        connection = EagerConnection(lambda: self.topology(worker=True))
        bus = EagerBus(self.handlers.resolve, connection)
        with self.routed(bus.route, connection):
            yield bus

    def testing(self) -> AbstractContextManager[Any]:
        """``with app.testing() as t``: an engine in memory; t.sent, t.drain()."""
        manager: AbstractContextManager[Any] = hosting.make("testing", self)
        return manager

    @contextmanager
    def routed(self, route: Route, connection: EngineConnection | None = None) -> Iterator[None]:
        """Send and ask through this route, and this engine, for a while."""
        before, self.plain_route = self.plain_route, route
        own, self.connection = self.connection, connection or self.connection
        self.route = hooked(route, self.middlewares)
        try:
            yield
        finally:
            self.plain_route, self.connection = before, own
            self.route = hooked(before, self.middlewares)
            own.changed()

    @property
    def inspect(self) -> Any:
        """Looks into the engine: .active() .queues() .workers() .stats() .scheduled()."""
        return hosting.make("inspect", self)

    def engine(self) -> Driver:
        """The open engine. Blocking at its first use."""
        refuse_on_loop("app.engine", "asyncio.to_thread(app.engine)")
        return self.connection.ready or PORTAL.run(self.connection.ensure())

    def ask(self, question: Callable[[Driver], Awaitable[T]]) -> T:
        """Ask the open engine, blocking."""
        refuse_on_loop("app.ask", "asyncio.to_thread(app.ask, ...)")

        async def asked() -> T:
            return await question(await self.connection.ensure())

        return PORTAL.run(asked())

    def close(self) -> None:
        """Close the engine. What was sent is durable already."""
        refuse_on_loop("app.close", "app.aclose()")
        PORTAL.run(self.connection.close())

    async def aclose(self) -> None:
        """Close the engine. What was sent is durable already."""
        await PORTAL.wait(self.connection.close())

    def __enter__(self) -> Self:
        self.connection.reopen()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        self.connection.reopen()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"<App {self.name!r}, {len(self.registry.by_name)} tasks>"


def refuse_unbuilt(**given: Any) -> None:
    for option, value in given.items():
        if value is not None:
            raise NotSupported(f"App({option}=...): not built yet")

"""Sending inside the caller's own database transaction: an app's verbs, led into a table."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from contextvars import ContextVar, Token
from typing import TYPE_CHECKING, Any, ParamSpec, Self, TypeVar, cast

from postroad.app.outbound import hooked
from postroad.app.parts import Parts
from postroad.core.message import Message, Send
from postroad.core.topology import Topology
from postroad.core.writes import Document, Write
from postroad.engine.route import Owner
from postroad.ports.driver import DeadLetterFilter, DeadLetterRecord, Driver, Located
from postroad.reliability.databases import adapted
from postroad.reliability.inbox import Inbox
from postroad.reliability.origins import Given, Origin, origins
from postroad.reliability.outbox import OutboxWriter
from postroad.reliability.ownfile import engine_file, refuse_engine_file
from postroad.reliability.relay import Relay
from postroad.tasks.memory import Memory
from postroad.tasks.result import Result
from postroad.tasks.route import Route
from postroad.tasks.task import Task

if TYPE_CHECKING:
    from postroad.app.app import App

P = ParamSpec("P")
R = TypeVar("R")

PENDING_S = 60.0
"""So long a task that went into an outbox is taken to be on its way, if the engine knows nothing of it."""

INSIDE: ContextVar[Outbox | None] = ContextVar("postroad_outbox", default=None)
"""The outbox whose ``with`` block this is, in this thread or coroutine."""


class WritesOutboxes:
    """`outbox` and `inbox`, for an app."""

    own_route: Route
    parts: Parts
    services: list[Callable[[Driver], Awaitable[None]]]

    if TYPE_CHECKING:

        @property
        def url(self) -> str: ...

    @property
    def route(self) -> Route:
        """Where what is sent goes now: to the engine, or into the outbox whose block this is."""
        inside = INSIDE.get()
        return self.own_route if inside is None or not inside.takes(self) else inside.route

    @route.setter
    def route(self, route: Route) -> None:
        self.own_route = route

    def outbox(self, connection: Any) -> Outbox:
        """Send inside the transaction of this connection: the messages leave when it is committed, and never when it is not.

        ``connection``: of sqlite3 or psycopg, or a Session or Connection of SQLAlchemy (AsyncSession and AsyncConnection
        too, for the verbs that begin with a). ``app.outbox(connection).publish(...)``, put, delay, send; or
        ``with app.outbox(connection):``, inside which everything this app sends goes there. No I/O yet.
        """
        return Outbox(cast("App", self), connection)

    def inbox(self, connection: Any) -> Inbox:
        """``app.inbox(connection).first(message_id)``: whether it comes for the first time, remembered in that transaction."""
        return Inbox(connection, engine_file(self.url))

    def relay(self, outbox: Given | Sequence[Given], name: str) -> None:
        """App(outbox=...): every worker relays these, one of them each at a time."""
        for origin in origins(outbox, name):
            self.parts.add(RelayedOutbox(origin, lambda: engine_file(self.url)))
            self.services.append(Relay(origin, lambda: engine_file(self.url)))


class RelayedOutbox:
    """An outbox as a part of an app: a worker whose outbox would lie in the engine's own file does not start."""

    kind = "outbox"

    def __init__(self, origin: Origin, own: Callable[[], str | None]) -> None:
        self.origin = origin
        self.name = origin.name
        self.own = own

    def adopt(self, owner: Owner) -> None:
        """It sends nothing itself."""

    def topology(self) -> Topology:
        """Nothing of the engine's. Raises SecondSQLite."""
        if self.origin.file is not None:
            refuse_engine_file([self.origin.file], self.own())
        return Topology()


class Outbox:
    """Made by ``app.outbox(connection)``. One connection, so one thread or coroutine at a time."""

    def __init__(self, app: App, connection: Any) -> None:
        self.app = app
        self.tokens: list[Token[Outbox | None]] = []
        writer = OutboxWriter(adapted(connection), engine_file(app.url), app.body_bytes_max)
        waiting = Waiting(app.own_route.memory)
        writer.seen.append(waiting.add)
        self.route = hooked(Route(writer, waiting.memory), app.middlewares)

    def takes(self, app: object) -> bool:
        """What this app sends, while a block is open: a coroutine started in one may go on after it."""
        return app is self.app and bool(self.tokens)

    def __enter__(self) -> Self:
        self.tokens.append(INSIDE.set(self))
        return self

    def __exit__(self, *_error: object) -> None:
        INSIDE.reset(self.tokens.pop())

    def publish(self, event: Any, **options: Any) -> Any:
        """As app.publish, in the connection's transaction."""
        with self:
            return self.app.publish(event, **options)

    async def apublish(self, event: Any, **options: Any) -> Any:
        """As app.publish, in the connection's transaction."""
        with self:
            return await self.app.apublish(event, **options)

    def put(self, queue: Any, body: Any, **options: Any) -> str:
        """As queue.put, in the connection's transaction. ``queue``: what app.queue answered, or its name."""
        with self:
            return cast(str, self.queue(queue).put(body, **options))

    async def aput(self, queue: Any, body: Any, **options: Any) -> str:
        """As queue.put, in the connection's transaction. ``queue``: what app.queue answered, or its name."""
        with self:
            return cast(str, await self.queue(queue).aput(body, **options))

    def delay(self, task: Task[P, R, Any], *args: P.args, **kwargs: P.kwargs) -> Result[R]:
        """As task.delay, in the connection's transaction. The Result's id is fixed; that its unique_key was taken, and by whom,
        is found out only when it is relayed."""
        with self:
            return task.delay(*args, **kwargs)

    async def adelay(self, task: Task[P, R, Any], *args: P.args, **kwargs: P.kwargs) -> Result[R]:
        """As task.delay, in the connection's transaction. The Result's id is fixed; that its unique_key was taken, and by whom,
        is found out only when it is relayed."""
        with self:
            return await task.adelay(*args, **kwargs)

    def send(self, send: Send) -> str:
        """A message as it is, in the connection's transaction; its id."""
        return self.route.outbound.send([send], "app.outbox(...).send", "app.outbox(...).asend(...)")[0].id

    async def asend(self, send: Send) -> str:
        """A message as it is, in the connection's transaction; its id."""
        return (await self.route.outbound.asend([send]))[0].id

    def queue(self, queue: Any) -> Any:
        return self.app.queue(queue) if isinstance(queue, str) else queue


class Waiting:
    """What went through one outbox, for Results of it: the engine's memory, and for a while also what it cannot know yet."""

    def __init__(self, memory: Callable[[], Awaitable[Memory]]) -> None:
        self.inside = memory
        self.sent: dict[str, tuple[Message, str, float]] = {}

    def add(self, send: Send) -> None:
        """Only what somebody can ask for."""
        if send.message.track:
            self.sent[send.message.id] = (send.message, send.to.routing_key, time.monotonic() + PENDING_S)

    async def memory(self) -> Memory:
        return WaitingMemory(await self.inside(), self.sent)


class WaitingMemory:
    """As tasks.memory.Memory."""

    def __init__(self, memory: Memory, sent: dict[str, tuple[Message, str, float]]) -> None:
        self.memory = memory
        self.sent = sent

    async def locate(self, ids: Sequence[str]) -> Sequence[Located]:
        """Where they are; those that only the outbox has seen wait, until PENDING_S are over."""
        located = await self.memory.locate(ids)
        missing = set(ids).intersection(self.sent).difference(one.id for one in located)
        ended = {one.key for one in await self.memory.get("task", list(missing))} if missing else set()
        return [*located, *(found for id in missing - ended if (found := self.pending(id)) is not None)]

    def pending(self, id: str) -> Located | None:
        message, queue, until = self.sent[id]
        if time.monotonic() >= until:
            return None
        return Located(id, queue, "ready" if message.due_at is None else "delayed", message, 1, 0, message.due_at, None)

    async def get(self, kind: str, keys: Sequence[str]) -> Sequence[Document]:
        """As Store.get."""
        return await self.memory.get(kind, keys)

    async def changed(self, timeout_s: float) -> None:
        """As Store.changed."""
        await self.memory.changed(timeout_s)

    async def dead_letters(
        self, which: DeadLetterFilter, limit: int, before: int | None = None
    ) -> Sequence[DeadLetterRecord]:
        """As Inspectable.dead_letters."""
        return await self.memory.dead_letters(which, limit, before)

    async def cancel(self, ids: Sequence[str], reason: str, writes: Sequence[Write] = ()) -> Sequence[str]:
        """As Operable.cancel; what is only in the outbox yet is not found."""
        return await self.memory.cancel(ids, reason, writes)

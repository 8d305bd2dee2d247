"""What a send answers: the id, and the ways to ask what became of it."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from postroad.core import codec
from postroad.core.durations import Duration, optional_seconds
from postroad.engine.context import CURRENT
from postroad.engine.portal import PORTAL, refuse_on_loop
from postroad.errors import NotSupported, ResultsDisabled, WouldDeadlock
from postroad.tasks.definition import Definition
from postroad.tasks.documents import StateDocument
from postroad.tasks.failure import error_of
from postroad.tasks.revoking import revoke
from postroad.tasks.route import Route
from postroad.tasks.status import TaskStatus, statuses
from postroad.tasks.watch import documents, unknown

R_co = TypeVar("R_co", covariant=True)


class Result(Generic[R_co]):
    """Of one sent task. ``duplicate``: a live task with its ``unique_key``, or its id, was there already; this is that one."""

    __slots__ = ("definition", "duplicate", "id", "route")

    def __init__(self, id: str, route: Route, definition: Definition | None = None, duplicate: bool = False) -> None:
        self.id = id
        self.route = route
        self.definition = definition
        self.duplicate = duplicate

    def get(self, timeout: Duration | None = None, *, in_handler: bool = False) -> R_co:
        """What the task returned, waiting for its end; raises what it raised.

        ``timeout``: seconds, timedelta or "90s"; then ResultTimeout, and the task goes on. ``in_handler``: allow a handler
        to wait for a task that is not finished, for which a timeout is needed.
        Raises ResultsDisabled, NotFound, WouldDeadlock, TaskRevoked, TaskExpired, TaskDropped, TaskDead, TaskFailed.
        """
        self.check_kept("get()")
        refuse_on_loop("Result.get", f"result.aget({'' if timeout is None else f'timeout={timeout!r}'})")
        value: R_co = self.value(PORTAL.run(self.end(timeout, may_wait(self.id, timeout, in_handler))))
        return value

    async def aget(self, timeout: Duration | None = None, *, in_handler: bool = False) -> R_co:
        """What the task returned, waiting for its end; raises what it raised.

        ``timeout``: seconds, timedelta or "90s"; then ResultTimeout, and the task goes on. ``in_handler``: allow a handler
        to wait for a task that is not finished, for which a timeout is needed.
        Raises ResultsDisabled, NotFound, WouldDeadlock, TaskRevoked, TaskExpired, TaskDropped, TaskDead, TaskFailed.
        """
        self.check_kept("get()")
        value: R_co = self.value(await PORTAL.wait(self.end(timeout, may_wait(self.id, timeout, in_handler))))
        return value

    def status(self) -> TaskStatus:
        """Where the task stands now. Raises NotFound, ResultsDisabled."""
        self.check_kept("status()")
        refuse_on_loop("Result.status", "result.astatus()")
        return PORTAL.run(self.read_status())

    async def astatus(self) -> TaskStatus:
        """Where the task stands now. Raises NotFound, ResultsDisabled."""
        self.check_kept("status()")
        return await PORTAL.wait(self.read_status())

    def revoke(self, *, terminate: bool = False, reason: str = "revoked") -> bool:
        """Cancel it, durably: a waiting task never starts; one that is running goes on. False when it has ended already.

        ``terminate`` (end it while it runs) is not built yet. Raises NotFound, ResultsDisabled.
        """
        self.check_revocable(terminate)
        refuse_on_loop("Result.revoke", "result.arevoke()")
        return PORTAL.run(self.cancel(reason))

    async def arevoke(self, *, terminate: bool = False, reason: str = "revoked") -> bool:
        """Cancel it, durably: a waiting task never starts; one that is running goes on. False when it has ended already.

        ``terminate`` (end it while it runs) is not built yet. Raises NotFound, ResultsDisabled.
        """
        self.check_revocable(terminate)
        return await PORTAL.wait(self.cancel(reason))

    def __repr__(self) -> str:
        name = self.definition.name if self.definition else "unknown task"
        return f"<Result {self.id} of {name}{', duplicate' if self.duplicate else ''}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Result) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)

    async def end(self, timeout: Duration | None, waits: bool) -> StateDocument:
        """On the portal's loop."""
        if waits:
            return (await self.route.watch.ended([self.id], optional_seconds(timeout, "timeout")))[self.id]
        found = await documents(await self.route.memory(), [self.id])
        if self.id not in found:
            raise unfinished(self.id)
        return found[self.id]

    def value(self, document: StateDocument) -> Any:
        """The decoded value, by the task's return annotation; or raise its error."""
        if document.state != "SUCCEEDED":
            raise error_of(self.id, document)
        kind = self.definition.returns if self.definition else Any
        return codec.decode(codec.decoder(kind), bytes(document.result), f"The result of {document.task}")

    async def read_status(self) -> TaskStatus:
        """On the portal's loop."""
        found = await statuses(await self.route.memory(), [self.id])
        if self.id not in found:
            raise unknown(self.id)
        return found[self.id]

    async def cancel(self, reason: str) -> bool:
        """On the portal's loop."""
        return self.id in await revoke(await self.route.memory(), [self.id], reason)

    def check_kept(self, what: str) -> None:
        """Raises ResultsDisabled at once where nothing is kept."""
        definition = self.definition
        if definition is not None and definition.policy(definition.owned()).keep_s is None:
            raise ResultsDisabled(
                f"{what}: {definition.name} keeps neither state nor result (keep_result=None): declare it with "
                '@app.task(keep_result="1d").'
            )

    def check_revocable(self, terminate: bool) -> None:
        if terminate:
            raise NotSupported("revoke(terminate=True): not built yet")
        self.check_kept("revoke()")


def may_wait(id: str, timeout: Duration | None, in_handler: bool) -> bool:
    """Whether `get` may wait here. Raises WouldDeadlock for what leaves only when this handler ends."""
    context = CURRENT.get()
    if context is None:
        return True
    if context.buffer.holds(id):
        raise WouldDeadlock(
            f"get() waits for task {id}, which leaves only when this handler ends. Let the handler end and go on in a task "
            "after it (first.s() | second.s(), or a chord for several), or send it at once: task.options(send_now=True).delay(...)."
        )
    return in_handler and timeout is not None


def unfinished(id: str) -> WouldDeadlock:
    return WouldDeadlock(
        f"get() inside a handler: task {id} has not ended, and when every worker waits for another, none runs. Go on in a task "
        "after it (first.s() | second.s(), or a chord), or say that it cannot deadlock: get(timeout=30, in_handler=True)."
    )

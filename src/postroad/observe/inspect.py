"""The one inspection API: the command line, the dashboard and tests all look through it.

It reads the engine and the store, and imports no user code. Looking changes nothing.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from typing import Protocol, cast

import msgspec

from postroad.core.durations import Duration
from postroad.core.lifecycle import TERMINAL_STATES
from postroad.core.topology import Topology
from postroad.core.writes import Document
from postroad.errors import NotFound, NotSupported
from postroad.observe import processes, traffic, views
from postroad.observe.statistics import StatisticsView, statistics
from postroad.observe.traffic import EventTypeView, GroupView, RecordView, UnroutedView
from postroad.observe.views import DeadLetterGroup, DeadLetterView, MessageView, Stats, TaskView, WorkerView
from postroad.ports.driver import (
    DeadLetterFilter,
    Driver,
    HolderInfo,
    Inspectable,
    Located,
    Operable,
    QueueDepth,
)
from postroad.ports.store import Store
from postroad.tasks.documents import KIND, PROGRESS_KIND

PAGE = 500
GROUPED_MAX = 100_000
LOCATED_MAX = 10_000
SEEN_MAX = 10_000
EVENT_TYPE_KIND = "event-type"
UNROUTED_KIND = "unrouted"
RECORD_KIND = "message"


class Engine(Driver, Store, Inspectable, Operable, Protocol):
    """A driver that is a store too, and can be looked into."""

    async def counters(self) -> dict[str, int]: ...
    async def find(self, ids: Sequence[str]) -> Sequence[Located]: ...


class TaskFilter(msgspec.Struct, frozen=True):
    """Which tasks: all that match every given field."""

    state: str | None = None
    queue: str | None = None
    task: str | None = None

    def takes(self, view: TaskView) -> bool:
        return (
            (self.state is None or view.state == self.state)
            and (self.queue is None or view.queue == self.queue)
            and (self.task is None or view.task == self.task)
        )


class Inspection:
    """Looks into one open driver. Raises NotSupported for an engine that cannot be looked into."""

    def __init__(self, driver: Driver) -> None:
        if not isinstance(driver, Inspectable):
            raise NotSupported(f"{type(driver).__name__} cannot be looked into: use the broker's own tools.")
        self.engine = cast(Engine, driver)

    async def queues(self) -> list[QueueDepth]:
        """Every queue, by name."""
        return list(await self.engine.queues())

    async def queue(self, name: str) -> QueueDepth:
        """Raises NotFound."""
        found = [queue for queue in await self.engine.queues() if queue.queue == name]
        if not found:
            known = ", ".join(queue.queue for queue in await self.engine.queues())
            raise NotFound(f"There is no queue {name!r}. Known: {known or 'none'}.")
        return found[0]

    async def workers(self) -> list[WorkerView]:
        """Processes that may hold messages, oldest first."""
        return [worker_view(holder) for holder in await self.engine.holders()]

    async def stats(self) -> Stats:
        queues = await self.queues()
        alive = sum(worker.state != "dead" for worker in await self.workers())
        return views.total(queues, alive, dict(await self.engine.counters()))

    async def statistics(self, window: Duration = "5m") -> StatisticsView:
        """What went through the queues in the last ``window`` (at most a day): counts, rates, errors, waits and runs."""
        return await statistics(self.engine, await self.queues(), window)

    async def topology(self) -> Topology:
        """Every queue, exchange and binding that is there."""
        return await self.engine.topology()

    async def peek(self, queue: str, limit: int = 10) -> list[MessageView]:
        """What waits, in the order in which it would be delivered; delayed ones last. Raises NotFound."""
        return [views.of_waiting(found) for found in await self.engine.peek(queue, limit)]

    async def groups(self) -> list[GroupView]:
        """The groups of subscribers, whether anybody consumes them or not."""
        return traffic.groups(await self.topology(), await self.queues())

    async def event_types(self) -> list[EventTypeView]:
        """Types of events that were published, or that a group waits for."""
        return traffic.event_types(await self.all_documents(EVENT_TYPE_KIND), await self.groups())

    async def unrouted(self, limit: int = 100) -> list[UnroutedView]:
        """What exchanges could give to nobody in the last day, the newest first."""
        documents = await self.all_documents(UNROUTED_KIND, limit)
        return sorted(map(traffic.unrouted, documents), key=lambda one: one.at, reverse=True)

    async def records(self, state: str | None = None, limit: int = 100) -> list[RecordView]:
        """What left without a dead letter in the last day: dropped, a repeat, or failed after an early acknowledgement.

        ``state``: only DROPPED, DUPLICATE or FAILED. The newest first, by their ids."""
        documents = await self.engine.scan(RECORD_KIND, tag=state, limit=limit)
        return [traffic.record(document) for document in documents]

    async def all_documents(self, kind: str, limit: int = SEEN_MAX) -> list[Document]:
        """The newest ``limit`` of a kind."""
        found: list[Document] = []
        while len(found) < limit:
            most = min(PAGE, limit - len(found))
            page = await self.engine.scan(kind, before=found[-1].key if found else None, limit=most)
            found += page
            if len(page) < most:
                break
        return found

    async def active(self) -> list[TaskView]:
        """Tasks whose handlers run now."""
        ids = [id for holder in await self.engine.holders() for id in holder.running]
        return [views.of_located(found) for found in await self.engine.locate(ids)] if ids else []

    async def scheduled(self, limit: int = 100) -> list[TaskView]:
        """Tasks that wait for their time (countdown, eta or a retry), the soonest first; of the newest 10,000 messages."""
        found = await self.engine.list_messages(None, LOCATED_MAX)
        delayed = sorted((item for item in found if item.place == "delayed"), key=due_at)
        return [views.of_located(item) for item in delayed[:limit]]

    async def waiting(self, queue: str | None = None, limit: int = 100) -> list[TaskView]:
        """Tasks that have not ended, newest first."""
        return [views.of_located(found) for found in await self.engine.list_messages(queue, limit)]

    async def tasks(self, which: TaskFilter | None = None, limit: int = 100) -> list[TaskView]:
        """Waiting, running and ended tasks together, newest first; of what waits, the newest 10,000 are looked at."""
        which = which or TaskFilter()
        found = {view.id: view for view in reversed(await self.candidates(which, limit))}
        chosen = sorted(found.values(), key=lambda view: (view.queued_at or 0.0, view.id), reverse=True)
        return chosen[:limit]

    async def candidates(self, which: TaskFilter, limit: int) -> list[TaskView]:
        """What may belong to the answer; of several about one task the first counts."""
        candidates: list[TaskView] = []
        if which.state not in TERMINAL_STATES:
            reach = limit if which == TaskFilter(queue=which.queue) else LOCATED_MAX
            candidates += [view for view in await self.waiting(which.queue, reach) if which.takes(view)]
        if which.state is None or which.state in TERMINAL_STATES:
            candidates += await self.ended(which, limit)
        if which.state in (None, "DEAD", "FAILED"):
            letters = await self.engine.dead_letters(DeadLetterFilter(source=which.queue), limit)
            candidates += [view for letter in letters if which.takes(view := views.of_dead_task(letter))]
        return candidates

    async def ended(self, which: TaskFilter, limit: int) -> list[TaskView]:
        """Tasks that left a document, newest first."""
        chosen: list[TaskView] = []
        before: str | None = None
        while len(chosen) < limit:
            page = await self.engine.scan(KIND, tag=which.state, before=before, limit=PAGE)
            chosen += [view for document in page if which.takes(view := views.of_document(document))]
            if len(page) < PAGE:
                break
            before = page[-1].key
        return chosen[:limit]

    async def task(self, id: str) -> TaskView:
        """Wherever it is: waiting, running, ended or dead. Raises NotFound."""
        found = await self.find(id)
        if found is None:
            raise NotFound(f"No task {id}: never accepted, or it kept no result, or its retention has ended.")
        return await self.with_progress(found)

    async def find(self, id: str) -> TaskView | None:
        """Documents come at the end: look there, then at what waits, then again, for it may just have ended."""
        for look in (self.from_document, self.from_queue, self.from_document, self.from_letter):
            view = await look(id)
            if view is not None:
                return view
        return None

    async def from_document(self, id: str) -> TaskView | None:
        documents = await self.engine.get(KIND, [id])
        if not documents:
            return None
        view = views.of_document(documents[0])
        if view.state not in ("FAILED", "DEAD"):
            return view
        letters = await self.engine.dead_letters(DeadLetterFilter(id=id), 1)
        return msgspec.structs.replace(views.of_dead_task(letters[0]), state=view.state) if letters else view

    async def from_queue(self, id: str) -> TaskView | None:
        found = await self.engine.find([id])
        return views.of_located(found[0]) if found else None

    async def from_letter(self, id: str) -> TaskView | None:
        letters = await self.engine.dead_letters(DeadLetterFilter(id=id), 1)
        return views.of_dead_task(letters[0]) if letters else None

    async def with_progress(self, view: TaskView) -> TaskView:
        documents = await self.engine.get(PROGRESS_KIND, [view.id])
        if not documents:
            return view
        return msgspec.structs.replace(view, progress=msgspec.Raw(documents[0].value.encode()))

    async def wait_for(self, id: str, timeout_s: float) -> TaskView | None:
        """The task once it has ended; None when it has not in time. Raises NotFound."""
        until = asyncio.get_running_loop().time() + timeout_s
        while (view := await self.task(id)).state not in TERMINAL_STATES:
            left_s = until - asyncio.get_running_loop().time()
            if left_s <= 0:
                return None
            await self.engine.changed(min(left_s, 1.0))
        return view

    async def dead_letters(
        self, which: DeadLetterFilter | None = None, limit: int = 100, before: int | None = None
    ) -> list[DeadLetterView]:
        """Newest first; ``before``: only numbers below it, for the next page."""
        records = await self.engine.dead_letters(which or DeadLetterFilter(), limit, before)
        return [views.of_letter(record) for record in records]

    async def dead_letter(self, reference: str) -> DeadLetterView:
        """By its number, or by its message's id (then the newest). Raises NotFound."""
        found = await self.dead_letters(by_reference(reference), 1)
        if not found:
            raise NotFound(f"There is no dead letter {reference!r}; 'postroad dead-letters' lists them.")
        return found[0]

    async def dead_letter_groups(self, which: DeadLetterFilter | None = None) -> list[DeadLetterGroup]:
        """By what they died of, largest first; looks at the newest 100,000."""
        groups: dict[str, DeadLetterGroup] = {}
        before: int | None = None
        for _page in range(GROUPED_MAX // PAGE):
            letters = await self.dead_letters(which, PAGE, before)
            for letter in letters:
                groups[letter.fingerprint] = enlarged(groups.get(letter.fingerprint), letter)
            if len(letters) < PAGE:
                break
            before = letters[-1].number
        return sorted(groups.values(), key=lambda group: (-group.count, group.fingerprint))


def by_reference(reference: str) -> DeadLetterFilter:
    """A number, else a message's id."""
    if reference.isdecimal():
        return DeadLetterFilter(number=int(reference))
    return DeadLetterFilter(id=reference)


def due_at(found: Located) -> float:
    return found.due_at or 0.0


def enlarged(group: DeadLetterGroup | None, letter: DeadLetterView) -> DeadLetterGroup:
    """The group with one more letter, an older one than those in it."""
    if group is not None:
        return msgspec.structs.replace(group, count=group.count + 1, first_at=letter.died_at)
    return DeadLetterGroup(
        letter.fingerprint,
        1,
        letter.task,
        letter.source,
        letter.error_type,
        letter.reason,
        letter.died_at,
        letter.died_at,
        letter.number,
    )


def worker_view(holder: HolderInfo) -> WorkerView:
    return WorkerView(
        holder.name,
        holder.pid,
        holder.supervisor_pid,
        holder.host,
        state_of(holder),
        holder.started_at,
        holder.in_flight,
        tuple(holder.running),
        tuple(holder.queues),
    )


def state_of(holder: HolderInfo) -> str:
    """The engine knows alive from dead; only this machine's own process table knows stopped."""
    if holder.state != "alive" or holder.host != socket.gethostname():
        return holder.state
    return "stopped" if processes.state(holder.pid) == "stopped" else "alive"

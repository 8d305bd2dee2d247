"""Waiting for tasks to end: one look at the store for everybody who waits in this process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence

from postroad.core.delivery import Attempt
from postroad.core.lifecycle import TERMINAL_STATES
from postroad.errors import NotFound, ResultTimeout
from postroad.ports.driver import DeadLetterFilter, DeadLetterRecord
from postroad.tasks.documents import DECODE_STATE, KIND, TASK_HEADER, StateDocument
from postroad.tasks.memory import Memory

POLL_S = 1.0
VERIFY_S = 1.0
SHORT_LOOK_S = 0.005
"""A look that takes longer, for it is at very many ids, is followed by a rest as long as itself."""


class Waiter:
    """One id, and how many wait for it."""

    __slots__ = ("count", "ended")

    def __init__(self) -> None:
        self.count = 0
        self.ended: asyncio.Future[StateDocument] = asyncio.get_running_loop().create_future()


class Watch:
    """Used on the portal's loop only. ``memory`` answers the open engine."""

    def __init__(self, memory: Callable[[], Awaitable[Memory]]) -> None:
        self.memory = memory
        self.waiting: dict[str, Waiter] = {}
        self.task: asyncio.Task[None] | None = None
        self.verified_at = 0.0

    async def ended(self, ids: Iterable[str], timeout_s: float | None = None) -> dict[str, StateDocument]:
        """Their ends, when all have ended. Raises NotFound for an id nobody knows, ResultTimeout (the tasks go on)."""
        wanted = list(dict.fromkeys(ids))
        memory = await self.memory()
        found = await documents(memory, wanted)
        missing = [id for id in wanted if id not in found]
        return {**found, **await self.rest(memory, missing, timeout_s)} if missing else found

    async def rest(self, memory: Memory, ids: Sequence[str], timeout_s: float | None) -> dict[str, StateDocument]:
        waiters = {id: self.join(id) for id in ids}
        try:
            self.ensure_running(memory)
            await self.verify(memory, ids)
            await asyncio.wait([waiter.ended for waiter in waiters.values()], timeout=timeout_s)
            return {id: now_or_timeout(id, waiter.ended, timeout_s) for id, waiter in waiters.items()}
        finally:
            for id in ids:
                self.leave(id)

    def join(self, id: str) -> Waiter:
        waiter = self.waiting.setdefault(id, Waiter())
        waiter.count += 1
        return waiter

    def leave(self, id: str) -> None:
        waiter = self.waiting[id]
        waiter.count -= 1
        if not waiter.count:
            del self.waiting[id]
            if waiter.ended.done() and not waiter.ended.cancelled():
                waiter.ended.exception()

    def ensure_running(self, memory: Memory) -> None:
        loop = asyncio.get_running_loop()
        if self.task is None or self.task.done() or self.task.get_loop() is not loop:
            self.task = loop.create_task(self.run(memory))

    async def run(self, memory: Memory) -> None:
        """Look after every change, and every POLL_S behind it, for as long as somebody waits."""
        try:
            while self.open_ids():
                await self.turn(memory)
        except Exception as error:
            for waiter in self.waiting.values():
                if not waiter.ended.done():
                    waiter.ended.set_exception(error)

    async def turn(self, memory: Memory) -> None:
        change = asyncio.ensure_future(memory.changed(POLL_S))
        started = time.monotonic()
        try:
            self.tell(await documents(memory, self.open_ids()))
            took_s = time.monotonic() - started
            if self.open_ids():
                await asyncio.sleep(took_s if took_s > SHORT_LOOK_S else 0)
                await change
        finally:
            change.cancel()
        if time.monotonic() - self.verified_at >= VERIFY_S:
            await self.verify(memory, self.open_ids())
            self.verified_at = time.monotonic()

    def open_ids(self) -> list[str]:
        return [id for id, waiter in self.waiting.items() if not waiter.ended.done()]

    def tell(self, found: dict[str, StateDocument]) -> None:
        for id, document in found.items():
            waiter = self.waiting.get(id)
            if waiter is not None and not waiter.ended.done():
                waiter.ended.set_result(document)

    async def verify(self, memory: Memory, ids: Sequence[str]) -> None:
        """An id with neither a message nor an end will never have one: its waiters are told."""
        located = {located.id for located in await memory.locate(ids)}
        missing = [id for id in ids if id not in located]
        found = await last_words(memory, missing)
        self.tell(found)
        for id in missing:
            waiter = self.waiting.get(id)
            if id not in found and waiter is not None and not waiter.ended.done():
                waiter.ended.set_exception(unknown(id))


async def documents(memory: Memory, ids: Sequence[str]) -> dict[str, StateDocument]:
    """The ends of those that have ended."""
    found = await memory.get(KIND, ids) if ids else ()
    return {document.key: DECODE_STATE(document.value) for document in found if document.tag in TERMINAL_STATES}


async def last_words(memory: Memory, ids: Sequence[str]) -> dict[str, StateDocument]:
    """Ends of ids that have no message: their documents (again: they may have just ended), else their dead letters."""
    found = await documents(memory, ids)
    for id in ids:
        if id not in found:
            letters = await memory.dead_letters(DeadLetterFilter(id=id), 1)
            found |= {letter.message.id: from_letter(letter) for letter in letters}
    return found


def from_letter(letter: DeadLetterRecord) -> StateDocument:
    """The end of a task that no handler here could write down: its name is unknown, or it keeps no result."""
    last = letter.history[-1] if letter.history else Attempt("unknown")
    return StateDocument(
        letter.message.headers.get(TASK_HEADER, ""),
        letter.source,
        "DEAD",
        letter.attempt,
        letter.message.queued_at,
        last.started_at or letter.died_at,
        letter.died_at,
        letter.worker,
        error=last.error,
        error_type=last.error_type,
        traceback=last.traceback,
        reason=letter.reason,
    )


def now_or_timeout(id: str, ended: asyncio.Future[StateDocument], timeout_s: float | None) -> StateDocument:
    if not ended.done():
        raise ResultTimeout(f"Task {id} has not ended after {timeout_s:g} s; it goes on. Ask again, or give a longer timeout.")
    return ended.result()


def unknown(id: str) -> NotFound:
    return NotFound(
        f"There is no task {id}: it was never accepted here, its retention has ended, or its task keeps no result. Check the "
        "id and the engine's URL."
    )

"""What an operator may ask of the engine, beside moving messages: to look, and to act on what waits or died."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TypeVar

from postroad.core.topology import Binding
from postroad.core.writes import Write
from postroad.drivers.sqlite import deletion, inspection, letters, mending, operations, peeking, redriving
from postroad.drivers.sqlite.redriving import Pace
from postroad.drivers.sqlite.session import Session
from postroad.drivers.sqlite.site import Site
from postroad.errors import InvalidOption
from postroad.ports.driver import DeadLetterFilter, DeadLetterRecord, HolderInfo, Located, QueueDepth, Redriven

T = TypeVar("T")

PURGE_CHUNK = 10_000


class Operated:
    """The driver's part that is `Inspectable` and `Operable`. Every act is one transaction, or one a chunk."""

    site: Site
    clock: Callable[[], float]

    def __init__(self) -> None:
        self.paces: dict[tuple[DeadLetterFilter, float], Pace] = {}

    async def call(self, call: Callable[[Session], T]) -> T:
        raise NotImplementedError

    async def read(self, call: Callable[[Session], T]) -> T:
        raise NotImplementedError

    # Looking

    async def queues(self) -> Sequence[QueueDepth]:
        return await self.read(lambda session: inspection.depths(session, self.site.folder))

    async def locate(self, ids: Sequence[str]) -> Sequence[Located]:
        return await self.read(lambda session: inspection.locate_tracked(session, self.site.folder, ids))

    async def find(self, ids: Sequence[str]) -> Sequence[Located]:
        """As `locate`, also for messages that are not tracked: looks through the whole file."""
        return await self.read(lambda session: inspection.locate(session, self.site.folder, ids))

    async def peek(self, queue: str, limit: int) -> Sequence[Located]:
        """What waits, in the order in which it would be delivered; delayed ones last. Raises NotFound."""
        return await self.read(lambda session: peeking.peek(session, self.site.folder, queue, limit))

    async def list_messages(self, queue: str | None, limit: int) -> Sequence[Located]:
        return await self.read(lambda session: inspection.newest(session, self.site.folder, queue, limit))

    async def dead_letters(
        self, which: DeadLetterFilter, limit: int, before: int | None = None
    ) -> Sequence[DeadLetterRecord]:
        return await self.read(lambda session: letters.find(session, which, limit, before))

    async def count_dead(self, which: DeadLetterFilter) -> int:
        return await self.read(lambda session: letters.count(session, which))

    async def holders(self) -> Sequence[HolderInfo]:
        return await self.read(lambda session: inspection.holders(session, self.site.folder))

    async def counters(self) -> dict[str, int]:
        """Since the file was made."""
        return await self.read(inspection.counters)

    # Acting

    async def purge(self, queue: str, limit: int | None = None) -> int:
        total = 0
        while limit is None or total < limit:
            most = PURGE_CHUNK if limit is None else min(PURGE_CHUNK, limit - total)
            count = await self.call(partial(operations.purge, queue=queue, limit=most))
            if not count:
                break
            total += count
        return total

    async def cancel(self, ids: Sequence[str], reason: str, writes: Sequence[Write] = ()) -> Sequence[str]:
        found = await self.read(lambda session: operations.find_seqs(session, ids))
        return await self.call(lambda session: operations.cancel(session, ids, found, reason, writes))

    async def redrive(
        self, which: DeadLetterFilter, limit: int, forget: Sequence[str] = ("task",), rate_per_s: float | None = None
    ) -> Redriven:
        """One transaction. With ``rate_per_s`` the next call for the same letters goes on where this one ended."""
        pace = self.pace(which, rate_per_s)
        redriven = await self.call(lambda session: redriving.redrive(session, which, limit, forget, pace))
        pace.taken(self.clock(), redriven.count)
        return redriven

    def pace(self, which: DeadLetterFilter, rate_per_s: float | None) -> Pace:
        if rate_per_s is None:
            return Pace(None)
        if not rate_per_s > 0:
            raise InvalidOption(f"rate_per_s={rate_per_s}: give how many letters a second, a number above 0.")
        now = self.clock()
        self.paces = {key: pace for key, pace in self.paces.items() if pace.next_at > now}
        return self.paces.setdefault((which, rate_per_s), Pace(rate_per_s))

    async def delete_queue(self, name: str) -> int:
        """Emptied first, in chunks that let others to the lock."""
        await self.call(partial(deletion.check_unused, self.site.folder, name))
        count = await self.purge(name)
        return count + await self.call(partial(deletion.delete_queue, self.site.folder, name))

    async def delete_exchange(self, name: str) -> None:
        await self.call(lambda session: deletion.delete_exchange(session, name))

    async def unbind(self, binding: Binding) -> bool:
        return await self.call(lambda session: deletion.unbind(session, binding))

    async def delete_dead(self, which: DeadLetterFilter, limit: int) -> int:
        return await self.call(lambda session: mending.delete(session, which, limit))

    async def edit_dead(self, number: int, body: bytes | None, headers: Mapping[str, str] | None) -> DeadLetterRecord:
        """Raises NotFound, TooLarge, Unserialisable (headers that are no text)."""
        return await self.call(lambda session: mending.edit(session, number, body, headers))

    async def import_dead(self, records: Sequence[DeadLetterRecord]) -> int:
        """All or none. Raises NotFound for a source that is not declared."""
        return await self.call(lambda session: mending.take_in(session, records))

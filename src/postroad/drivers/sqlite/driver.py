"""The embedded engine: driver and store on one SQLite file, or in memory."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import apsw

from postroad.core.capabilities import Capabilities, Ordering, Starts
from postroad.core.message import Receipt, Refused, Send
from postroad.core.topology import EXCHANGE_KINDS, OVERFLOWS, Binding, Change, Topology
from postroad.core.writes import Committed, Condition, Conflict, Document, Write
from postroad.drivers.sqlite import documents, forking, inspection, operations, program, recovery, seats, tidy
from postroad.drivers.sqlite import topology as declared
from postroad.drivers.sqlite.consumer import SqliteConsumer
from postroad.drivers.sqlite.directory import Directory
from postroad.drivers.sqlite.forking import LEFT_TO_PARENTS, abandon
from postroad.drivers.sqlite.lock import NoLock
from postroad.drivers.sqlite.session import CHANGE, Session
from postroad.drivers.sqlite.site import FileSite, MemorySite, Site
from postroad.drivers.sqlite.trouble import translation
from postroad.drivers.sqlite.writer import CallOperation, PublishOperation, ReadOperation, Writer
from postroad.errors import Closed, EngineUnavailable, InvalidOption, NotSupported
from postroad.ports.driver import (
    Consumer,
    DeadLetterFilter,
    DeadLetterRecord,
    HolderInfo,
    Listener,
    Located,
    QueueDepth,
    Seat,
    Subscription,
)

T = TypeVar("T")

PURGE_CHUNK = 10_000
CAPABILITIES = Capabilities(
    ordering=Ordering.LANE, starts=Starts.STORE, atomic_with=("sqlite",), exchanges=EXCHANGE_KINDS, max_length=OVERFLOWS
)
REGISTER = """
INSERT INTO holder(name, pid, supervisor_pid, host, boot, worker, started_at) VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING id
"""
COUNTERS = ("unrouted", "duplicates", "accepted", "released", "rejected", "recovered")
SEATS = "SELECT name, boot, worker FROM holder"


class SqliteDriver:
    """``path``: the file, None for memory. ``seat``: a child's place, given by its supervisor. ``clock``: wall seconds.

    Its coroutines may be awaited on any event loop: a writer thread does the work.
    """

    name = "sqlite"

    def __init__(
        self,
        path: str | None,
        *,
        seat: Seat | None = None,
        worker: str = "",
        options: dict[str, str] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.path = path
        self.seat = seat
        self.worker = worker
        self.clock = clock
        self.is_open = False
        self.lifecycle = threading.Lock()
        self.own_seats: list[Seat] = []
        self.tokens: dict[int, Iterator[int]] = {}
        self.site: Site = MemorySite()
        forking.ENGINES.add(self)

    # Opening and closing

    async def __aenter__(self) -> Self:
        try:
            await asyncio.to_thread(self.open)
        except RuntimeError:  # the interpreter is exiting: its pools take nothing more, a last thread may still send
            self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()  # not in another thread: at interpreter exit none can be started

    def open(self) -> None:
        """Blocking, from any thread. Raises the EngineError that says why not."""
        with self.lifecycle:
            if not self.is_open:
                self.open_now()

    def open_now(self) -> None:
        self.site = MemorySite() if self.path is None else FileSite(self.path)
        self.site.open()
        try:
            self.start_threads()
        except BaseException:
            self.site.close()
            raise
        self.is_open = True

    def start_threads(self) -> None:
        site = self.site
        self.writer = Writer(lambda: self.writing_session(site.connect()), site.lock, site.bell.ring, "postroad-writer")
        self.writer.start()
        try:
            self.start_reader()
        except BaseException:
            self.writer.close()
            raise

    def start_reader(self) -> None:
        """A file has a connection for looking; memory has but one."""
        self.reader = self.writer
        reader = self.site.connect_reader()
        if reader is not None:
            self.reader = Writer(lambda: self.session(reader), NoLock(), self.site.bell.ring, "postroad-reader")
            self.reader.start()

    def writing_session(self, connection: apsw.Connection) -> Session:
        program.prepare(connection)
        return self.session(connection)

    def session(self, connection: object) -> Session:
        session = Session(connection, self.site.label, self.clock)  # type: ignore[arg-type]
        session.load_queues()
        session.committed = session.directory
        return session

    def close(self) -> None:
        """Blocking. What was submitted is done first; calling it again does nothing."""
        with self.lifecycle:
            if self.is_open:
                self.close_now()

    def close_now(self) -> None:
        self.is_open = False
        self.writer.close()
        self.reader.close()
        for seat in self.own_seats:
            self.release_seat(seat)
        self.site.close()

    # Forks (see forking.py)

    def locks(self) -> Iterator[threading.Lock]:
        """Whoever has all of them is alone with the engine."""
        yield self.lifecycle
        if self.is_open:
            yield self.writer.mutex
            if self.reader is not self.writer:
                yield self.reader.mutex
            yield self.site.mutex

    def forget(self) -> None:
        """In a forked child: what was inherited is closed; the next call opens anew."""
        self.lifecycle = threading.Lock()
        if not self.is_open:
            return
        connections = {writer.session.connection for writer in (self.writer, self.reader)}
        if self.still:
            for connection in connections:
                abandon(connection)
            self.site.forget()
        else:
            LEFT_TO_PARENTS.append((self.site, connections))
        for seat in [*self.own_seats, *([self.seat] if self.seat else [])]:
            with contextlib.suppress(OSError):
                os.close(seat.fd)
        self.own_seats = []
        self.seat = None
        self.is_open = False
        self.forked = True

    forked = False
    still = True

    def ready_writer(self) -> Writer:
        if not self.is_open:
            self.reopen()
        return self.writer

    def reopen(self) -> None:
        if not self.forked:
            raise Closed("The engine is not open: use 'async with' on the driver, or an App, before sending.")
        if self.path is None:
            raise NotSupported(
                "memory:// is private to the process that made it: this forked child needs a file, as sqlite:///app.db."
            )
        if not self.still:
            raise EngineUnavailable(
                f"This process was forked while its parent waited for {self.path}, so it cannot use it: fork again, or send "
                "from the parent."
            )
        self.open()

    # Calls

    def call_future(self, call: Callable[[Session], T]) -> Future[T]:
        return self.ready_writer().submit(CallOperation(call))

    async def call(self, call: Callable[[Session], T]) -> T:
        """In a transaction of the writer's."""
        return await asyncio.wrap_future(self.call_future(call))

    async def read(self, call: Callable[[Session], T]) -> T:
        self.ready_writer()
        return await asyncio.wrap_future(self.reader.submit(ReadOperation(call)))

    # Driver

    def offers(self, queue: str) -> Capabilities:
        return CAPABILITIES

    async def plan(self, topology: Topology) -> Sequence[Change]:
        return await self.read(lambda session: declared.plan(session, topology))

    async def apply(self, changes: Sequence[Change]) -> None:
        if changes:
            await self.call(lambda session: declared.apply(session, changes))

    async def topology(self) -> Topology:
        return await self.read(declared.present)

    def known(self) -> Directory:
        """What was committed of the topology a moment ago; from any thread."""
        return self.ready_writer().session.committed

    def publish_future(
        self, batch: Sequence[Send], *, durability: str = "full", writes: Sequence[Write] = ()
    ) -> Future[Sequence[Receipt | Refused]]:
        return self.ready_writer().submit(PublishOperation(batch, writes, is_full(durability), self.known()))

    def publish_wait(
        self, batch: Sequence[Send], *, durability: str = "full", writes: Sequence[Write] = ()
    ) -> Sequence[Receipt | Refused]:
        return self.ready_writer().perform(PublishOperation(batch, writes, is_full(durability), self.known()))

    async def publish(
        self, batch: Sequence[Send], *, durability: str = "full", writes: Sequence[Write] = ()
    ) -> Sequence[Receipt | Refused]:
        return await asyncio.wrap_future(self.publish_future(batch, durability=durability, writes=writes))

    async def consume(self, subscription: Subscription, listener: Listener) -> Consumer:
        given = self.seat or subscription.seat
        seat = given if given is not None else await asyncio.to_thread(self.reserve, 0)
        holder = await self.call(partial(self.register, seat, subscription))
        listener.state("connected")
        tokens = self.tokens.setdefault(holder, itertools.count((holder << 32) + 1))
        return SqliteConsumer(self, subscription.queues, holder, tokens)

    def register(self, seat: Seat, subscription: Subscription, session: Session) -> int:
        for queue in subscription.queues:
            session.queue_number(queue)
        present = session.value("SELECT id FROM holder WHERE name = ?", (seat.name,))
        if present is not None:
            return int(present)
        supervisor = os.getppid() if self.seat else os.getpid()
        facts = (
            seat.name,
            os.getpid(),
            supervisor,
            socket.gethostname(),
            seats.boot_id(),
            subscription.worker or self.worker,
            self.clock(),
        )
        return int(session.value(REGISTER, facts))

    # Seats

    def reserve(self, slots: int) -> Seat:
        if self.site.folder is None:
            return seats.memory_seat(slots)
        with translation(self.site.label):
            seat = seats.new_seat(self.site.folder, slots)
        self.own_seats.append(seat)
        return seat

    async def vacate(self, seat: Seat) -> int:
        running = seats.running_in(self.site.folder, seat.name, seats.boot_id()) if self.site.folder else []
        how = "its process died while it ran"
        count = await self.call(lambda session: recovery.recover(session, seat.name, running, how, seat.name))
        self.release_seat(seat)
        self.own_seats = [own for own in self.own_seats if own.name != seat.name]
        return count

    def release_seat(self, seat: Seat) -> None:
        if seat.fd >= 0 and self.site.folder is not None:
            with contextlib.suppress(OSError):
                os.close(seat.fd)
            if seats.is_free(self.site.folder, seat.name):
                self.forget_seat(seat)

    def forget_seat(self, seat: Seat) -> None:
        if self.site.folder is not None:
            seats.remove(self.site.folder, seat.name)

    async def sweep(self) -> int:
        """Take back what dead holders held; and, in small pieces, remove what has expired."""
        folder = self.site.folder
        await tidy.tidy(self)
        if folder is None:
            return 0
        dead = await self.read(lambda session: [row for row in session.rows(SEATS) if seats.is_free(folder, row[0])])
        count = 0
        for name, boot, worker in dead:
            count += await self.call(partial(recover_dead, folder, name, boot, worker))
            seats.remove(folder, name)
        return count

    # Store

    def store_commit_future(
        self, writes: Sequence[Write], require: Sequence[Condition] = ()
    ) -> Future[Committed | Conflict]:
        return self.call_future(lambda session: documents.commit(session, writes, require))

    async def commit(self, writes: Sequence[Write], require: Sequence[Condition] = ()) -> Committed | Conflict:
        return await asyncio.wrap_future(self.store_commit_future(writes, require))

    async def get(self, kind: str, keys: Sequence[str]) -> Sequence[Document]:
        return await self.read(lambda session: documents.get(session, kind, keys))

    async def scan(
        self, kind: str, *, tag: str | None = None, before: str | None = None, limit: int = 100
    ) -> Sequence[Document]:
        return await self.read(lambda session: documents.scan(session, kind, tag, before, limit))

    async def changed(self, timeout_s: float) -> None:
        loop = asyncio.get_running_loop()
        rung = asyncio.Event()

        def wake() -> None:
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(rung.set)

        self.ready_writer()
        self.site.bell.wait(wake, CHANGE)
        try:
            async with asyncio.timeout(timeout_s):
                await rung.wait()
        except TimeoutError:
            return
        finally:
            self.site.bell.leave(wake)

    def now(self) -> float:
        return self.clock()

    # Looking and operating

    async def queues(self) -> Sequence[QueueDepth]:
        return await self.read(inspection.depths)

    async def locate(self, ids: Sequence[str]) -> Sequence[Located]:
        return await self.read(lambda session: inspection.locate_tracked(session, self.site.folder, ids))

    async def find(self, ids: Sequence[str]) -> Sequence[Located]:
        """As `locate`, also for messages that are not tracked: looks through the whole file."""
        return await self.read(lambda session: inspection.locate(session, self.site.folder, ids))

    async def list_messages(self, queue: str | None, limit: int) -> Sequence[Located]:
        return await self.read(lambda session: inspection.newest(session, self.site.folder, queue, limit))

    async def dead_letters(
        self, which: DeadLetterFilter, limit: int, before: int | None = None
    ) -> Sequence[DeadLetterRecord]:
        return await self.read(lambda session: inspection.dead_letters(session, which, limit, before))

    async def count_dead(self, which: DeadLetterFilter) -> int:
        return await self.read(lambda session: inspection.count_dead(session, which))

    async def holders(self) -> Sequence[HolderInfo]:
        return await self.read(lambda session: inspection.holders(session, self.site.folder))

    async def counters(self) -> dict[str, int]:
        """Since the file was made: published, unrouted, duplicates, accepted, released, rejected, recovered."""
        rows = await self.read(lambda session: session.rows("SELECT name, value FROM counter"))
        counts: dict[str, int] = dict(rows)
        return {"published": counts["seq"], **{name: counts[name] for name in COUNTERS}}

    async def purge(self, queue: str, limit: int | None = None) -> int:
        total = 0
        while limit is None or total < limit:
            most = PURGE_CHUNK if limit is None else min(PURGE_CHUNK, limit - total)
            count = await self.call(lambda session, most=most: operations.purge(session, queue, most))  # type: ignore[misc]
            if not count:
                break
            total += count
        return total

    async def cancel(self, ids: Sequence[str], reason: str, writes: Sequence[Write] = ()) -> Sequence[str]:
        found = await self.read(lambda session: operations.find_seqs(session, ids))
        return await self.call(lambda session: operations.cancel(session, ids, found, reason, writes))

    async def redrive(self, which: DeadLetterFilter, limit: int, forget: Sequence[str] = ("task",)) -> int:
        return await self.call(lambda session: operations.redrive(session, which, limit, forget))

    async def delete_exchange(self, name: str) -> None:
        await self.call(lambda session: declared.delete_exchange(session, name))

    async def unbind(self, binding: Binding) -> bool:
        return await self.call(lambda session: declared.unbind(session, binding))

    async def delete_dead(self, which: DeadLetterFilter, limit: int) -> int:
        return await self.call(lambda session: operations.delete_dead(session, which, limit))


def recover_dead(folder: Path, name: str, boot: str, worker: str, session: Session) -> int:
    return recovery.recover(
        session, name, seats.running_in(folder, name, boot), "its whole worker died while it ran", worker
    )


def is_full(durability: str) -> bool:
    """A weaker mode is asked for by its name; a slip of the pen is not taken for it."""
    if durability not in ("full", "relaxed"):
        raise InvalidOption(f'durability={durability!r}: write "full" or "relaxed".')
    return durability == "full"

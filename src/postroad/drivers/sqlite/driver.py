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
from postroad.core.topology import EXCHANGE_KINDS, OVERFLOWS, Change, Topology
from postroad.core.writes import Committed, Condition, Conflict, Document, Write
from postroad.drivers.sqlite import (
    documents,
    forking,
    program,
    recovery,
    seats,
    single,
    temporary,
    tidy,
)
from postroad.drivers.sqlite import topology as declared
from postroad.drivers.sqlite.consumer import SqliteConsumer
from postroad.drivers.sqlite.directory import Directory
from postroad.drivers.sqlite.forking import LEFT_TO_PARENTS, abandon
from postroad.drivers.sqlite.lock import NoLock
from postroad.drivers.sqlite.operating import Operated
from postroad.drivers.sqlite.session import CHANGE, Session
from postroad.drivers.sqlite.site import FileSite, MemorySite, Site
from postroad.drivers.sqlite.trouble import translation
from postroad.drivers.sqlite.writer import CallOperation, PublishOperation, ReadOperation, Writer
from postroad.errors import Closed, EngineUnavailable, InvalidOption, NotSupported
from postroad.ports.driver import Consumer, Listener, Seat, Subscription

T = TypeVar("T")

CAPABILITIES = Capabilities(
    ordering=Ordering.LANE, starts=Starts.STORE, atomic_with=("sqlite",), exchanges=EXCHANGE_KINDS, max_length=OVERFLOWS
)
REGISTER = """
INSERT INTO holder(name, pid, supervisor_pid, host, boot, worker, started_at) VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING id
"""
SEATS = "SELECT name, boot, worker FROM holder"


class SqliteDriver(Operated):
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
        super().__init__()
        self.path = path
        self.seat = seat
        self.worker = worker
        self.clock = clock
        self.is_open = False
        self.lifecycle = threading.Lock()
        self.own_seats: list[Seat] = []
        self.tokens: dict[int, Iterator[int]] = {}
        self.taken_seats: set[str] = set()
        self.passing: dict[int, Seat] = {}
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
        single.prepare(connection)
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
        given = self.free_seat(subscription)
        seat = given if given is not None else await asyncio.to_thread(self.reserve, 0)
        self.taken_seats.add(seat.name)
        try:
            holder = await self.call(partial(self.register, seat, subscription))
        except BaseException:
            self.leave_seat(seat, given is None)
            raise
        if given is None:
            self.passing[holder] = seat
        listener.state("connected")
        tokens = self.tokens.setdefault(holder, itertools.count((holder << 32) + 1))
        return SqliteConsumer(self, subscription.queues, holder, tokens)

    def free_seat(self, subscription: Subscription) -> Seat | None:
        """The seat it is given, unless another consumer sits there: what one gives back would be the other's too."""
        given = subscription.seat or self.seat
        return given if given is not None and given.name not in self.taken_seats else None

    async def leave(self, holder: int, queues: Sequence[str]) -> None:
        """A consumer takes no more: what it held goes back uncounted, temporary queues of its own go; and so does its
        holder, if it was made for this consumer."""
        passing = self.passing.pop(holder, None)
        name = await self.call(partial(self.unregister, holder, queues, passing is not None))
        self.taken_seats.discard(name)
        if passing is not None:
            self.leave_seat(passing, True)

    def leave_seat(self, seat: Seat, passing: bool) -> None:
        self.taken_seats.discard(seat.name)
        if passing:
            self.own_seats = [own for own in self.own_seats if own.name != seat.name]
            self.release_seat(seat)

    def unregister(self, holder: int, queues: Sequence[str], passing: bool, session: Session) -> str:
        """Its seat's name."""
        recovery.give_back_uncounted(session, holder)
        temporary.leave(session, self.site.folder, holder, queues)
        name = session.value("SELECT name FROM holder WHERE id = ?", (holder,))
        if passing:
            session.connection.execute(recovery.FORGET, (holder,))
        return str(name or "")

    def register(self, seat: Seat, subscription: Subscription, session: Session) -> int:
        holder = session.value("SELECT id FROM holder WHERE name = ?", (seat.name,))
        if holder is None:
            holder = session.value(REGISTER, self.facts(seat, subscription))
        temporary.join(session, self.site.folder, int(holder), subscription.queues)
        return int(holder)

    def facts(self, seat: Seat, subscription: Subscription) -> tuple[object, ...]:
        """The holder's row."""
        supervisor = os.getppid() if self.seat else os.getpid()
        return (
            seat.name,
            os.getpid(),
            supervisor,
            socket.gethostname(),
            seats.boot_id(),
            subscription.worker or self.worker,
            self.clock(),
        )

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
        count = await self.call(partial(recover_dead, self.site.folder, seat.name, running, how, seat.name))
        self.release_seat(seat)
        self.taken_seats.discard(seat.name)
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
        if await self.read(temporary.orphans):
            await self.call(temporary.remove_orphans)
        if folder is None:
            return 0
        dead = await self.read(lambda session: [row for row in session.rows(SEATS) if seats.is_free(folder, row[0])])
        count = 0
        for name, boot, worker in dead:
            running = seats.running_in(folder, name, boot)
            how = "its whole worker died while it ran"
            count += await self.call(partial(recover_dead, folder, name, running, how, worker))
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


def recover_dead(
    folder: Path | None, name: str, running: list[tuple[int, int]] | None, how: str, worker: str, session: Session
) -> int:
    """All that this seat's holder held comes back, but for what was in temporary queues of its own: those go."""
    temporary.leave_by_name(session, folder, name)
    return recovery.recover(session, name, running, how, worker)


def is_full(durability: str) -> bool:
    """A weaker mode is asked for by its name; a slip of the pen is not taken for it."""
    if durability not in ("full", "relaxed"):
        raise InvalidOption(f'durability={durability!r}: write "full" or "relaxed".')
    return durability == "full"

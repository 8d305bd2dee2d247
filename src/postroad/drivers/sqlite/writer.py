"""The writer: one thread a process that commits whatever waits as one transaction.

Duties: 1. take all waiting operations. 2. Under the file lock, in one BEGIN IMMEDIATE, apply them. 3. COMMIT, with one
fdatasync when any of them must be durable. 4. Only then answer each Future. 5. Wake whoever waits for the change.
When one operation fails, everything is rolled back and each is done again by itself: nobody sees another's error.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, Generic, TypeVar

import apsw

from postroad.core.message import Receipt, Refused, Send
from postroad.core.writes import Write
from postroad.drivers.sqlite import single
from postroad.drivers.sqlite.directory import NOTHING_KNOWN, Directory
from postroad.drivers.sqlite.lock import FileLock, NoLock
from postroad.drivers.sqlite.publish import insert_batch, prepared, publish
from postroad.drivers.sqlite.session import WORK, NotAsExpected, Session
from postroad.drivers.sqlite.trouble import translated
from postroad.errors import Closed

logger = logging.getLogger("postroad.engine")

T = TypeVar("T")
GROUP_MAX = 1000
LARGE = 100
"""Messages from which on a batch is made ready before it is handed over."""


class Operation(Generic[T]):
    """One caller's wish. ``apply`` runs inside the transaction; ``after``, without the lock, gives the answer.

    ``careful``: the short way raised NotAsExpected, so this is the second try. ``wanted`` is asked first, without the
    lock: when it says no, ``apply`` is not called and no lock is taken.
    """

    durable = True
    careful = False

    def __init__(self) -> None:
        self.future: Future[T] = Future()
        self.future.set_running_or_notify_cancel()  # A caller that stops waiting does not stop what was submitted.

    def wanted(self, session: Session) -> bool:
        return True

    def look(self, session: Session) -> None:
        """Without the lock, before `apply`: read what takes long to read, and is checked again under it."""

    def program(self, session: Session) -> tuple[str, tuple[object, ...]] | None:
        """All of it as one statement, which is then its own transaction; None when it needs `apply`."""
        return None

    def apply(self, session: Session) -> None:
        raise NotImplementedError

    def after(self, session: Session) -> T:
        raise NotImplementedError


class PublishOperation(Operation[Sequence[Receipt | Refused]]):
    """A batch to insert; batches that wait together are inserted together.

    ``known``: what was committed of the topology a moment ago. A large batch over this is made ready here, in the thread
    of whoever sends, so that the writer has only SQLite's part of the work.
    """

    def __init__(
        self, sends: Sequence[Send], writes: Sequence[Write], durable: bool, known: Directory = NOTHING_KNOWN
    ) -> None:
        super().__init__()
        self.prepared = prepared(sends, known) if len(sends) >= LARGE and not writes else None
        self.sends = sends
        self.writes = writes
        self.durable = durable
        self.answers: Sequence[Receipt | Refused] = ()

    def program(self, session: Session) -> single.Program | None:
        if len(self.sends) != 1 or self.writes or self.careful:
            return None
        found = single.program(self.sends[0], session.directory)
        if found is None:
            return None
        program, receipt = found
        self.answers = [receipt]
        session.bells |= WORK
        return program

    def look(self, session: Session) -> None:
        """The routes, which after a change of the topology are many to load."""
        if any(send.to.exchange for send in self.sends):
            session.freshen()
            session.routing()

    def apply(self, session: Session) -> None:
        ready = self.prepared
        if ready is None or self.careful or not ready.holds(session):
            publish_together(session, [self])
        else:
            insert_batch(session, ready.batch)
            self.answers = ready.answers

    def after(self, session: Session) -> Sequence[Receipt | Refused]:
        return self.answers


def publish_together(session: Session, operations: Sequence[PublishOperation]) -> None:
    sends = [send for operation in operations for send in operation.sends]
    answers = publish(session, sends, [write for operation in operations for write in operation.writes])
    start = 0
    for operation in operations:
        operation.answers = answers[start : start + len(operation.sends)]
        start += len(operation.sends)


class CallOperation(Operation[T]):
    """Any function of the session, in a transaction. It sees what other processes declared or removed."""

    def __init__(self, call: Callable[[Session], T]) -> None:
        super().__init__()
        self.call = call

    def apply(self, session: Session) -> None:
        session.freshen()
        self.answer = self.call(session)

    def after(self, session: Session) -> T:
        return self.answer


class ReadOperation(Operation[T]):
    """Any function of the session, without transaction or lock."""

    def __init__(self, call: Callable[[Session], T]) -> None:
        super().__init__()
        self.call = call

    def wanted(self, session: Session) -> bool:
        return False

    def after(self, session: Session) -> T:
        session.freshen()
        return self.call(session)


class Writer:
    """``open``: makes the session, in the writer's thread. ``ring``: wakes whoever waits for these kinds of change."""

    def __init__(
        self, open: Callable[[], Session], lock: FileLock | NoLock, ring: Callable[[int], None], name: str
    ) -> None:
        self.open = open
        self.lock = lock
        self.ring = ring
        self.waiting: queue.SimpleQueue[Operation[Any] | None] = queue.SimpleQueue()
        self.opened: Future[None] = Future()
        self.closed = False
        self.synchronous = "FULL"
        self.mutex = threading.Lock()
        self.thread = threading.Thread(target=self.run, name=name, daemon=True)

    def start(self) -> None:
        self.thread.start()
        self.opened.result()

    def submit(self, operation: Operation[T]) -> Future[T]:
        """From any thread; the Future is answered after the commit."""
        self.check_open()
        self.waiting.put(operation)
        return operation.future

    def perform(self, operation: Operation[T]) -> T:
        """Blocking: by this thread itself when the writer is idle, which saves two changes of thread; else submitted."""
        self.check_open()
        if not self.mutex.acquire(blocking=False):
            return self.submit(operation).result()
        try:
            self.commit_apart(self.session, [operation])
        finally:
            self.mutex.release()
        return operation.future.result()

    def offer(self, operation: Operation[T]) -> Future[T]:
        """Done by this thread itself when neither the writer nor the file is busy; else submitted. Does not wait long."""
        self.check_open()
        if self.mutex.acquire(blocking=False):
            try:
                if self.lock.is_free():
                    self.commit_apart(self.session, [operation])
                    return operation.future
            finally:
                self.mutex.release()
        return self.submit(operation)

    def check_open(self) -> None:
        if self.closed:
            raise Closed("The engine was closed: this operation did not happen. Use the app before it is closed.")

    def close(self) -> None:
        """What was submitted before is still done."""
        if not self.closed:
            self.closed = True
            self.waiting.put(None)
            if threading.current_thread() is not self.thread:
                self.thread.join()

    def run(self) -> None:
        try:
            self.session = self.open()
        except BaseException as error:
            self.opened.set_exception(error)
            return
        self.opened.set_result(None)
        while self.step(self.session):
            pass
        with self.mutex:
            self.session.connection.close()

    def step(self, session: Session) -> bool:
        """Commit one group; False when closed."""
        group: list[Operation[Any]] = []
        operation = self.waiting.get()
        while operation is not None:
            group.append(operation)
            if len(group) >= GROUP_MAX or self.waiting.empty():
                with self.mutex:
                    self.commit_apart(session, group)
                return True
            operation = self.waiting.get()
        with self.mutex:
            self.commit_apart(session, group)
        return False

    def commit_apart(self, session: Session, group: list[Operation[Any]]) -> None:
        """Together; after an error one by one, each with its own."""
        try:
            self.commit(session, group)
        except BaseException as error:
            if len(group) > 1:
                for operation in group:
                    self.commit_apart(session, [operation])
            elif isinstance(error, NotAsExpected) and not group[0].careful:
                group[0].careful = True
                self.commit_apart(session, group)
            else:
                refuse(group[0], error, session.path)

    def commit(self, session: Session, group: list[Operation[Any]]) -> None:
        wanted = [operation for operation in group if operation.wanted(session)]
        if wanted:
            self.transact(session, wanted)
        self.answer(session, group)

    def transact(self, session: Session, wanted: list[Operation[Any]]) -> None:
        self.set_synchronous(session, "FULL" if any(operation.durable for operation in wanted) else "NORMAL")
        session.bells = 0
        program = wanted[0].program(session) if len(wanted) == 1 else None
        if program is None:
            for operation in wanted:
                operation.look(session)
        with self.lock:
            if program is None:
                run_statements(session, wanted)
            else:
                run_program(session, program)
        if session.bells:
            self.ring(session.bells)

    def set_synchronous(self, session: Session, mode: str) -> None:
        if mode != self.synchronous:
            session.connection.execute(f"PRAGMA synchronous={mode}")
            self.synchronous = mode

    def answer(self, session: Session, group: list[Operation[Any]]) -> None:
        """The commit stands: from here on an error is the one caller's own."""
        session.committed = session.directory
        for operation in group:
            try:
                result = operation.after(session)
            except BaseException as error:
                refuse(operation, error, session.path)
            else:
                operation.future.set_result(result)


def refuse(operation: Operation[Any], error: BaseException, path: str) -> None:
    operation.future.set_exception(translated(error, path) if isinstance(error, apsw.Error) else error)


def run_statements(session: Session, wanted: Sequence[Operation[Any]]) -> None:
    session.connection.execute("BEGIN IMMEDIATE")
    try:
        apply_all(session, wanted)
        session.connection.execute("COMMIT")
    except BaseException:
        roll_back(session)
        raise


def run_program(session: Session, program: tuple[str, tuple[object, ...]]) -> None:
    """Its RAISE says that the careful way must be taken; SQLite has undone it."""
    try:
        session.connection.execute(*program)
    except apsw.ConstraintError as error:
        raise NotAsExpected from error


def apply_all(session: Session, wanted: Sequence[Operation[Any]]) -> None:
    if any(operation.careful for operation in wanted):
        session.freshen()
    together = [
        operation for operation in wanted if isinstance(operation, PublishOperation) and operation.prepared is None
    ]
    if together:
        publish_together(session, together)
    for operation in wanted:
        if not isinstance(operation, PublishOperation) or operation.prepared is not None:
            operation.apply(session)


def roll_back(session: Session) -> None:
    """A full disk may have rolled back already. What was declared in this transaction is unknown again."""
    session.directory = session.committed
    session.fills.clear()
    if session.connection.in_transaction:
        session.connection.execute("ROLLBACK")

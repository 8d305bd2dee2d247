"""What every operation works with: the connection, the clock, and the queues by name."""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import apsw
import msgspec

from postroad.core.routing import RoutingTable
from postroad.drivers.sqlite import directory
from postroad.drivers.sqlite.directory import NOTHING_KNOWN, Directory
from postroad.drivers.sqlite.trouble import translation
from postroad.errors import NotFound

WORK, CHANGE = 1, 2
"""What a commit may be awaited for: messages to take, documents to read."""


class NotAsExpected(Exception):
    """The short way of an operation found an exception to its rule: roll back, and do it the careful way."""


class Fill(NamedTuple):
    """What was in a queue, waiting and held, when so many had been published to it, and so many redriven to any."""

    messages: int
    published: int
    redriven: int


class Session:
    """One per process and file, used by the writer thread. ``bells``: whom to wake after the commit.

    ``fills``: how full bounded queues were when they were counted.
    ``directory``: what is known of the queues, in the transaction under way; ``committed``: before it, for other threads.
    """

    __slots__ = ("bells", "clock", "committed", "connection", "directory", "fills", "next_due", "path")

    def __init__(self, connection: apsw.Connection, path: str, clock: Callable[[], float]) -> None:
        self.connection = connection
        self.path = path
        self.clock = clock
        self.bells = 0
        self.next_due: float | None = None
        self.directory: Directory = NOTHING_KNOWN
        self.committed: Directory = NOTHING_KNOWN
        self.fills: dict[int, Fill] = {}

    def value(self, sql: str, bindings: tuple[Any, ...] | dict[str, Any] = ()) -> Any:
        """The first column of the first row, or None."""
        for row in self.connection.execute(sql, bindings):
            return row[0]
        return None

    def rows(self, sql: str, bindings: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """All rows; for short answers only."""
        return list(self.connection.execute(sql, bindings))

    @contextlib.contextmanager
    def instant(self) -> Iterator[None]:
        """Several looks at one and the same state, where no transaction is under way."""
        self.connection.execute("BEGIN")
        try:
            yield
        finally:
            self.connection.execute("ROLLBACK")

    @contextlib.contextmanager
    def attempt(self) -> Iterator[None]:
        """A part of the transaction that is undone when it raises."""
        try:
            with self.connection:
                yield
        except BaseException:
            self.fills.clear()
            raise

    def bump(self, counter: str, by: int) -> int:
        """Add to a counter; the new value."""
        return int(self.value("UPDATE counter SET value = value + ? WHERE name = ? RETURNING value", (by, counter)))

    @property
    def numbers(self) -> dict[str, int]:
        """Queues by name, as far as known."""
        return self.directory.numbers

    @property
    def names(self) -> dict[int, str]:
        return self.directory.names

    def load_queues(self) -> None:
        with translation(self.path):
            self.directory = directory.load(self)

    def forget(self) -> None:
        """What is declared has changed, or may have: look again when it is needed."""
        self.directory = NOTHING_KNOWN

    def freshen(self) -> Directory:
        """What is declared now: in a transaction it holds to the end of it."""
        if self.value(directory.VERSION) != self.directory.version:
            self.load_queues()
        return self.directory

    def routing(self) -> RoutingTable:
        """Of the directory as it is; call `freshen` before."""
        table = self.directory.table
        if table is None:
            table = self.directory.table = directory.load_table(self)
        return table

    def is_due(self) -> bool:
        """Whether a delayed message's time has come, as far as the last turn saw."""
        return self.next_due is not None and self.next_due <= self.clock()

    def queue_number(self, name: str) -> int:
        """The queue's number. Raises NotFound, naming the nearest."""
        number = self.numbers.get(name)
        if number is None:
            self.load_queues()
            number = self.numbers.get(name)
        if number is None:
            raise unknown_queue(name, self.numbers)
        return number

    def queue_name(self, number: int) -> str:
        if number not in self.names:
            self.load_queues()
        return self.names.get(number, f"queue {number}")


def unknown_queue(name: str, known: dict[str, int]) -> NotFound:
    return NotFound(
        f"There is no queue {name!r}{nearest(name, known)} Declare it in the app, or apply its topology; known: "
        f"{', '.join(sorted(known)[:KNOWN_TOLD]) or 'none'}{' and more' if len(known) > KNOWN_TOLD else ''}."
    )


def nearest(name: str, known: Iterable[str]) -> str:
    """For whoever mistyped a name."""
    close = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]!r}?" if close else "."


KNOWN_TOLD = 20


JSON = msgspec.json.Encoder()


def as_json(value: Any) -> str:
    """JSON text for a statement that takes a whole batch at once."""
    return JSON.encode(value).decode()

"""Fork: SQLite does not survive it by itself.

In a forked child SQLite believes that it has its parent's locks, which the system does not hand down. A connection opened
there takes none, and its commits go into a log that the parent, thinking itself alone, deletes when it closes (tried: of
12 accepted messages 10 were lost). So every engine comes to rest before a fork, and the child closes what it inherited
before it opens anything of its own. What it closes loses the parent nothing: locks belong to a process.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
import weakref
from collections.abc import Iterator
from typing import Protocol

import apsw

REST_S = 10.0


class Engine(Protocol):
    """What has connections. ``still``: no thread was inside SQLite when the process was forked."""

    still: bool

    def locks(self) -> Iterator[threading.Lock]:
        """Whoever has all of them is alone with the engine. Each is asked for once those before it are held."""

    def forget(self) -> None:
        """In the child: close what was inherited."""


ENGINES: weakref.WeakSet[Engine] = weakref.WeakSet()
RESTING: list[tuple[Engine, list[threading.Lock]]] = []


LEFT_TO_PARENTS: list[object] = []
"""Inherited in the middle of something: never touched again, and kept from the garbage collector, which would close them."""


def before() -> None:
    """Wait for what is under way, at most REST_S altogether: a lock may be held by a process that was stopped."""
    deadline = time.monotonic() + REST_S
    for engine in list(ENGINES):
        held: list[threading.Lock] = []
        RESTING.append((engine, held))
        engine.still = come_to_rest(engine, held, deadline)


def come_to_rest(engine: Engine, held: list[threading.Lock], deadline: float) -> bool:
    for lock in engine.locks():
        if not lock.acquire(timeout=max(0.0, deadline - time.monotonic())):
            return False
        held.append(lock)
    return True


def in_parent() -> None:
    while RESTING:
        _engine, held = RESTING.pop()
        for lock in reversed(held):
            lock.release()


def in_child() -> None:
    engines = [engine for engine, _held in RESTING]
    RESTING.clear()
    for engine in engines:
        engine.forget()


def abandon(connection: apsw.Connection) -> None:
    """Close an inherited connection and leave the file as it is: to write the log back is the parent's business."""
    with contextlib.suppress(apsw.Error):
        connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        connection.close()


os.register_at_fork(before=before, after_in_parent=in_parent, after_in_child=in_child)

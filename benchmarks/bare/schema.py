"""The bare loop's file: the engine's own tables and settings, so that only their use differs."""

from __future__ import annotations

import apsw

from postroad.drivers.sqlite.connection import connect as connect_engine
from postroad.drivers.sqlite.lock import FileLock
from postroad.drivers.sqlite.schema import migrate


def connect(file: str) -> tuple[apsw.Connection, FileLock]:
    """The file as the engine opens it, and the lock that makes processes take turns in a fair order."""
    connection = connect_engine(file, writes=True)
    lock = FileLock(f"{file}.lock")
    with lock:
        migrate(connection)
    return connection, lock

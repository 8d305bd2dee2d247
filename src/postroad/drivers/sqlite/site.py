"""Where an engine lives: its file, its run folder beside it, its lock, its bell; or nowhere, for memory://."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Protocol

import apsw

from postroad.drivers.sqlite import filesystem, onecopy
from postroad.drivers.sqlite.bell import Bell, LocalBell
from postroad.drivers.sqlite.connection import connect, connect_memory
from postroad.drivers.sqlite.forking import abandon
from postroad.drivers.sqlite.lock import FileLock, NoLock
from postroad.drivers.sqlite.schema import migrate
from postroad.drivers.sqlite.trouble import translation


class Site(Protocol):
    """What the driver needs of a place. ``mutex``: held by whoever uses a connection of the place's own."""

    label: str
    folder: Path | None
    lock: FileLock | NoLock
    bell: LocalBell
    mutex: threading.Lock

    def open(self) -> None: ...
    def connect(self) -> apsw.Connection: ...
    def connect_reader(self) -> apsw.Connection | None: ...
    def close(self) -> None: ...
    def forget(self) -> None: ...


class FileSite:
    """A file on a local disk. The run folder ``<file>-run`` holds locks and sockets, and is this user's alone."""

    def __init__(self, path: str) -> None:
        self.path = Path(path).absolute() if os.path.islink(path) else Path(path).resolve()  # noqa: PTH114 (never raises)
        self.label = str(self.path)
        self.folder: Path | None = None
        self.lock: FileLock | NoLock = NoLock()
        self.bell: LocalBell = LocalBell()
        self.mutex = threading.Lock()
        self.poller: apsw.Connection | None = None

    def open(self) -> None:
        """Checks first, so that a wrong place is a clear error and stays untouched."""
        with translation(self.label):
            filesystem.check_folder(self.path)
            filesystem.check(self.label)
            onecopy.watch(self.label)
            try:
                self.take_place()
            except BaseException:
                onecopy.unwatch(self.label)
                raise

    def take_place(self) -> None:
        """Look at the file before anything is made beside it. Only when watched: the look itself opens and closes it."""
        if self.path.exists() and self.path.stat().st_size:
            connect(self.label, writes=False).close()
        self.folder = filesystem.private_folder(self.path.with_name(self.path.name + "-run"))
        self.lock = FileLock(str(self.folder / "lock"))
        try:
            self.bell = Bell(self.folder, self.changed_elsewhere, self.lock.tell_long_wait)
        except BaseException:
            self.lock.close()
            raise

    def connect(self) -> apsw.Connection:
        """The writing connection; the file is made or brought to this version first."""
        with self.lock, translation(self.label):
            self.path.touch(mode=0o600, exist_ok=True)
            connection = connect(self.label, writes=True)
            migrate(connection)
        self.poller = self.connect_reader()
        self.version = self.data_version()
        self.bell.start()
        return connection

    def connect_reader(self) -> apsw.Connection:
        return connect(self.label, writes=False)

    def data_version(self) -> int:
        assert self.poller is not None
        return int(next(self.poller.execute("PRAGMA data_version"))[0])

    def changed_elsewhere(self) -> bool:
        """Another connection committed since the last call."""
        try:
            with self.mutex:
                version = self.data_version()
        except apsw.Error:
            return True
        changed = version != self.version
        self.version = version
        return changed

    def close(self) -> None:
        self.bell.close()
        if self.poller is not None:
            self.poller.close()
        self.lock.close()
        onecopy.unwatch(self.label)

    def forget(self) -> None:
        """In a forked child: close what was inherited."""
        if isinstance(self.bell, Bell):
            self.bell.release_descriptors()
        if self.poller is not None:
            abandon(self.poller)
        self.lock.close()
        onecopy.unwatch(self.label)


class MemorySite:
    """No file: one connection, nobody else."""

    def __init__(self) -> None:
        self.label = "memory://"
        self.folder: Path | None = None
        self.lock: FileLock | NoLock = NoLock()
        self.bell = LocalBell()
        self.mutex = threading.Lock()

    def open(self) -> None:
        return None

    def connect(self) -> apsw.Connection:
        connection = connect_memory()
        migrate(connection)
        return connection

    def connect_reader(self) -> None:
        return None

    def close(self) -> None:
        self.bell.close()

    def forget(self) -> None:
        return None

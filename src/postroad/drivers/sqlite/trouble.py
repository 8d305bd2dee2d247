"""SQLite's and the system's errors in Postroad's words, translated at this edge only."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

import apsw

from postroad.errors import (
    CorruptEngine,
    EngineError,
    EngineFull,
    EngineUnavailable,
    NotADatabase,
    ReadOnlyEngine,
)


def translated(error: apsw.Error, path: str) -> EngineError:
    """The error with what happened, why and what to do."""
    what = f"The embedded engine's file {path}"
    if isinstance(error, apsw.NotADBError):
        return NotADatabase(f"{what} is no SQLite database: {error}. Name another file, or move this one away.")
    if isinstance(error, apsw.FullError):
        return full(what)
    if isinstance(error, apsw.CorruptError):
        return CorruptEngine(
            f"{what} has damaged pages: {error}. Stop all workers, copy the file, and run 'postroad doctor --deep' on the copy; "
            "restore the newest backup if it does not pass."
        )
    if isinstance(error, apsw.ReadOnlyError | apsw.PermissionsError):
        return ReadOnlyEngine(
            f"{what} cannot be written: {error}. Give this user write access to the file and its folder."
        )
    if isinstance(error, apsw.CantOpenError):
        return EngineUnavailable(
            f"{what} cannot be opened: {error}. Does its folder exist, and may this user write there?"
        )
    if isinstance(error, apsw.BusyError):
        return EngineUnavailable(
            f"{what} is locked by another program (not by Postroad, which takes its own lock first): close whatever has it open."
        )
    if isinstance(error, apsw.IOError):
        return EngineUnavailable(
            f"{what} met an I/O error: {error}. Check the disk and that nothing else opens or moves the file."
        )
    return EngineError(f"{what}: {type(error).__name__}: {error}")


def full(what: str) -> EngineFull:
    return EngineFull(
        f"{what} cannot grow: the disk is full. Nothing of this operation was kept; free space and repeat it."
    )


def from_system(error: OSError, path: str) -> EngineError:
    """The same for what the system says of the file, its folder, and the run folder beside it."""
    what = f"The embedded engine's file {path}"
    place = error.filename or path
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return full(what)
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return ReadOnlyEngine(
            f"{what} cannot be reached or written by this user: {error.strerror} ({place}). Give this user access to the file, "
            "its folder and those above it."
        )
    return EngineUnavailable(f"{what} cannot be opened: {error.strerror} ({place}). Mend that, or name another file.")


@contextmanager
def translation(path: str) -> Iterator[None]:
    """Turns SQLite's and the system's errors inside into Postroad's."""
    try:
        yield
    except apsw.Error as error:
        raise translated(error, path) from error
    except OSError as error:
        raise from_system(error, path) from error

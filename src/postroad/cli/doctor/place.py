"""Where the engine's file lies: read from outside, so that it works when the engine does not open."""

from __future__ import annotations

import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import apsw

from postroad.cli.doctor.finding import NOTE, OK, WRONG, Finding
from postroad.drivers.sqlite.connection import SQLITE_MIN, connect
from postroad.drivers.sqlite.filesystem import MOUNTS, NETWORK, WARNED, kind_of

WAL_LARGE_BYTES = 64 << 20
FREE_LOW_BYTES = 512 << 20
FREE_NONE_BYTES = 32 << 20
PRIVATE = 0o077
FAULTS_SHOWN = 10


def look(path: Path) -> list[Finding]:
    """Every check of the place."""
    checks: tuple[Callable[[Path], Finding], ...] = (file, library, file_system, run_folder, write_ahead_log, disk)
    return [check(path) for check in checks]


def size(count: int) -> str:
    """Bytes, as short as they can be said."""
    for unit, number in (("GB", 1 << 30), ("MB", 1 << 20), ("kB", 1 << 10)):
        if count >= number:
            return f"{count / number:.1f} {unit}"
    return f"{count} bytes"


def file(path: Path) -> Finding:
    facts = path.stat()
    said = f"{path}, {size(facts.st_size)}, mode {stat.S_IMODE(facts.st_mode):o}"
    if facts.st_mode & PRIVATE:
        return Finding(NOTE, "file", said, "other users may read what the messages hold", f"chmod 600 {path}")
    return Finding(OK, "file", said)


def library(_path: Path) -> Finding:
    version = apsw.sqlite_lib_version()
    if tuple(map(int, version.split("."))) < SQLITE_MIN:
        least = ".".join(map(str, SQLITE_MIN))
        return Finding(
            WRONG, "sqlite", version, f"before {least} several writers may damage a file", "pip install -U apsw"
        )
    return Finding(OK, "sqlite", f"{version} (apsw {apsw.apsw_version()})")


def file_system(path: Path) -> Finding:
    if not MOUNTS.exists():
        return Finding(NOTE, "file system", "unknown", "this system does not say", "see that it is a local disk")
    kind = kind_of(str(path), MOUNTS.read_text())
    if kind in NETWORK:
        return Finding(
            WRONG, "file system", kind, "locks do not hold on it: messages get lost", "move the file to a local disk"
        )
    if kind.startswith(WARNED):
        return Finding(NOTE, "file system", kind, "its locks cannot be proved", "prefer a local disk")
    return Finding(OK, "file system", kind or "unknown")


def run_folder(path: Path) -> Finding:
    folder = path.with_name(path.name + "-run")
    if not folder.exists():
        return Finding(OK, "run folder", f"{folder} is not there: nothing has the engine open")
    mode = stat.S_IMODE(folder.lstat().st_mode)
    if folder.is_symlink() or mode & PRIVATE:
        return Finding(
            WRONG,
            "run folder",
            f"{folder}, mode {mode:o}",
            "others could reach the engine's locks",
            f"chmod 700 {folder}",
        )
    return Finding(OK, "run folder", f"{folder}, mode {mode:o}")


def write_ahead_log(path: Path) -> Finding:
    wal = path.with_name(path.name + "-wal")
    length = wal.stat().st_size if wal.exists() else 0
    if length > WAL_LARGE_BYTES:
        why = "it cannot be folded into the file while some reader keeps a transaction open"
        return Finding(NOTE, "log (WAL)", size(length), why, "end backups and shells that have the file open")
    return Finding(OK, "log (WAL)", size(length))


def disk(path: Path) -> Finding:
    free = shutil.disk_usage(path.parent).free
    if free < FREE_NONE_BYTES:
        return Finding(
            WRONG, "disk", f"{size(free)} free", "nothing more can be accepted when it is full", "free space"
        )
    if free < FREE_LOW_BYTES:
        return Finding(NOTE, "disk", f"{size(free)} free", "it is little", "free space, or move the file")
    return Finding(OK, "disk", f"{size(free)} free")


def deep(path: Path) -> Finding:
    """SQLite's own check of every page. Reads the whole file."""
    connection = connect(str(path), writes=False)
    try:
        faults = [str(row[0]) for row in connection.execute(f"PRAGMA quick_check({FAULTS_SHOWN})")]
    except apsw.Error as error:
        faults = [str(error)]
    finally:
        connection.close()
    if faults == ["ok"]:
        return Finding(OK, "integrity", "every page is sound")
    todo = "stop all workers, keep a copy, and restore the newest backup"
    return Finding(WRONG, "integrity", "; ".join(faults), "pages of the file are damaged", todo)

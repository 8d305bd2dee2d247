"""Opening the file: pragmas, and the checks that make a wrong file a clear error."""

from __future__ import annotations

import apsw

from postroad.drivers.sqlite.schema import APPLICATION_ID, VERSION
from postroad.drivers.sqlite.trouble import translation
from postroad.errors import EngineUnavailable, NewerSchema, NotADatabase

SQLITE_MIN = (3, 51, 3)
"""Older ones may corrupt a file that several connections write and checkpoint at the same instant (SQLite's own notes)."""

PRAGMAS = (
    "PRAGMA auto_vacuum=INCREMENTAL; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA fullfsync=ON; "
    "PRAGMA wal_autocheckpoint=1000; PRAGMA mmap_size=0; PRAGMA secure_delete=OFF; PRAGMA temp_store=MEMORY; "
    "PRAGMA cache_size=-8000"
)


def connect(path: str, *, writes: bool) -> apsw.Connection:
    """A connection with the engine's settings. Raises NotADatabase, NewerSchema, ReadOnlyEngine and their kin."""
    check_library()
    flags = apsw.SQLITE_OPEN_READWRITE | (apsw.SQLITE_OPEN_CREATE if writes else 0)
    with translation(path):
        connection = apsw.Connection(path, flags=flags)
        try:
            connection.set_busy_timeout(5000)
            check_owner(connection, path)
            settings = connection.execute(PRAGMAS if writes else "PRAGMA query_only=ON; PRAGMA cache_size=-2000")
            settings.fetchall()  # apsw stops at the first row a statement gives: without this the rest is not done
        except BaseException:
            connection.close()
            raise
    return connection


def check_library() -> None:
    version = tuple(int(part) for part in apsw.sqlite_lib_version().split("."))
    if version < SQLITE_MIN:
        raise EngineUnavailable(
            f"apsw brings SQLite {apsw.sqlite_lib_version()}, which may corrupt a file that several processes write: "
            f"pip install -U apsw (it must be {'.'.join(map(str, SQLITE_MIN))} or newer)."
        )


def check_owner(connection: apsw.Connection, path: str) -> None:
    """A fresh file or one of ours, not newer than we are."""
    (owner,) = next(connection.execute("PRAGMA application_id"))
    (version,) = next(connection.execute("PRAGMA user_version"))
    (tables,) = next(connection.execute("SELECT count(*) FROM sqlite_schema"))
    if owner != APPLICATION_ID and (tables or owner or version):
        raise NotADatabase(
            f"{path} is another program's SQLite database: Postroad's file is its own. Name another file."
        )
    if version > VERSION:
        raise NewerSchema(
            f"{path} has schema version {version}; this Postroad knows up to {VERSION}: upgrade Postroad, or name another file."
        )


def connect_memory() -> apsw.Connection:
    """A database of this process alone."""
    check_library()
    connection = apsw.Connection(":memory:")
    connection.execute("PRAGMA temp_store=MEMORY")
    return connection

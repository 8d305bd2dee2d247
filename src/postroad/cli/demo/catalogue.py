"""What the tasks find, in a SQLite file of the demo's own: an effect outside the engine.

Tasks run at least once, so a row is keyed by its file: writing it again changes nothing. A writer hardly waits for
another one: soon it is told "database is locked", which is what the engine retries.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from postroad.cli.demo.sources import Contents

TABLE = """
CREATE TABLE IF NOT EXISTS file(
    path TEXT PRIMARY KEY, lines INTEGER, words INTEGER, functions INTEGER, classes INTEGER) WITHOUT ROWID
"""
INSERT = "INSERT OR REPLACE INTO file VALUES (?, ?, ?, ?, ?)"
SUMS = "SELECT count(*), coalesce(sum(lines), 0), coalesce(sum(words), 0), coalesce(sum(functions), 0), coalesce(sum(classes), 0) FROM file"
READ_TIMEOUT_S = 10.0
WRITE_TIMEOUT_S = 0.001


def create(path: Path) -> None:
    """The empty catalogue."""
    with closing(sqlite3.connect(path, timeout=READ_TIMEOUT_S)) as connection, connection:
        connection.execute(TABLE)


def write(path: Path, file: str, found: Contents) -> None:
    """Raises sqlite3.OperationalError when another task is writing.

    Not synced: it survives the death of processes, and could be made again from the sources after a power cut.
    """
    with closing(sqlite3.connect(path, timeout=WRITE_TIMEOUT_S, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous=OFF")
        connection.execute(INSERT, (file, found.lines, found.words, found.functions, found.classes))


def count(path: Path) -> int:
    """How many files are in it."""
    return sums(path)[0]


def sums(path: Path) -> tuple[int, int, int, int, int]:
    """(files, lines, words, functions, classes)."""
    with closing(sqlite3.connect(path, timeout=READ_TIMEOUT_S)) as connection:
        files, lines, words, functions, classes = connection.execute(SUMS).fetchone()
    return files, lines, words, functions, classes

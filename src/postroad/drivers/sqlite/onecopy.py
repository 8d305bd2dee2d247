"""One copy of SQLite a process and file.

POSIX locks are per process: when a second copy of SQLite (the standard library's) closes the file, the engine's own
locks drop and another process writes under them (tried: then "disk I/O error"). So opening the engine's file with
sqlite3 in an engine process is refused, before it happens.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from typing import Any
from urllib.parse import unquote, urlsplit

from postroad.errors import SecondSQLite

OPEN: Counter[str] = Counter()
HOOKED: list[bool] = []


def watch(path: str) -> None:
    """The engine opens this file. Raises SecondSQLite when something else in this process has it open."""
    if not OPEN[path] and has_foreign_descriptor(path):
        raise refusal(path)
    if not HOOKED:
        HOOKED.append(True)
        sys.addaudithook(on_audit)
    OPEN[path] += 1


def unwatch(path: str) -> None:
    OPEN[path] -= 1


def on_audit(event: str, args: tuple[Any, ...]) -> None:
    if event == "sqlite3.connect":
        check_name(args[0])


def check_name(name: object) -> None:
    if isinstance(name, bytes | os.PathLike):
        name = os.fsdecode(name)
    if isinstance(name, str) and name and not name.startswith(":"):
        for path in meant(name):
            if OPEN[path] > 0:
                raise refusal(path)


def meant(name: str) -> list[str]:
    """The files that this name may stand for: as it is, and as a URI."""
    names = [name] if not name.startswith("file:") else [name, unquote(urlsplit(name).path)]
    return [os.path.realpath(name) for name in names]


def has_foreign_descriptor(path: str) -> bool:
    """Whether this process has the file open already; False where the system does not tell."""
    try:
        numbers = os.listdir("/proc/self/fd")  # noqa: PTH208
    except OSError:
        return False
    return any(points_to(f"/proc/self/fd/{number}", path) for number in numbers)


def points_to(link: str, path: str) -> bool:
    try:
        return os.readlink(link) == path  # noqa: PTH115
    except OSError:
        return False


def refusal(path: str) -> SecondSQLite:
    return SecondSQLite(
        f"{path} is a Postroad engine's file, and a second copy of SQLite opens it in this process: closing either would drop "
        "the other's locks and damage the file. Keep your tables in a file of their own; look at the engine with 'postroad queues'."
    )

"""The engine's file is the engine's alone: no outbox lies in it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from postroad.drivers.registry import parse
from postroad.errors import SecondSQLite


def engine_file(url: str) -> str | None:
    """The path of an embedded engine's file; None for engines without one."""
    engine = parse(url)
    return engine.path if engine.scheme == "sqlite" else None


def refuse_engine_file(files: Iterable[str], own: str | None) -> None:
    """Raises SecondSQLite when the engine's file is among them."""
    if own is None:
        return
    for file in files:
        if Path(file).resolve() == Path(own).resolve():
            raise SecondSQLite(
                f"{own} is this app's engine, and this connection has it open with another copy of SQLite: closing either would "
                "drop the other's locks and damage the file. An outbox lies in your own database, beside the rows it belongs "
                "to: keep them in a file of their own. (What an app sends without an outbox needs none of this.)"
            )

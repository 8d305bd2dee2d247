"""The store port: remembers. Documents by kind and key, changed all or nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from postroad.core.writes import Committed, Condition, Conflict, Document, Write


@runtime_checkable
class Store(Protocol):
    """One namespace of documents. A store that is a driver too names itself in that driver's ``atomic_with``."""

    name: str

    async def commit(self, writes: Sequence[Write], require: Sequence[Condition] = ()) -> Committed | Conflict:
        """All writes or none; none when a condition does not hold. Durable when it returns."""

    async def get(self, kind: str, keys: Sequence[str]) -> Sequence[Document]:
        """The documents that exist, in any order."""

    async def scan(
        self, kind: str, *, tag: str | None = None, before: str | None = None, limit: int = 100
    ) -> Sequence[Document]:
        """Newest keys first (keys are time-ordered ids), those below ``before``, with this tag."""

    async def changed(self, timeout_s: float) -> None:
        """Return when something may have changed, or after ``timeout_s``: a hint, with a poll behind it."""

    def now(self) -> float:
        """Wall-clock seconds, as the store tells the time."""

"""As much of a store and an engine as tasks need to find out, and to change, what becomes of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from postroad.core.writes import Document, Write
from postroad.ports.driver import DeadLetterFilter, DeadLetterRecord, Located


class Memory(Protocol):
    """See ports.store.Store, ports.driver.Inspectable and Operable, whose methods these are."""

    async def get(self, kind: str, keys: Sequence[str]) -> Sequence[Document]: ...
    async def changed(self, timeout_s: float) -> None: ...
    async def locate(self, ids: Sequence[str]) -> Sequence[Located]: ...
    async def dead_letters(
        self, which: DeadLetterFilter, limit: int, before: int | None = None
    ) -> Sequence[DeadLetterRecord]: ...
    async def cancel(self, ids: Sequence[str], reason: str, writes: Sequence[Write] = ()) -> Sequence[str]: ...

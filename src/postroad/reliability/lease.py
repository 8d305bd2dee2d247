"""One holder at a time: a document in the store that is taken for a while, renewed, and given back."""

from __future__ import annotations

import time

from postroad.core.writes import Absent, Committed, Condition, Delete, Put, Tagged
from postroad.engine.identity import new_id
from postroad.ports.store import Store

KIND = "lease"
LEASE_S = 10.0
RENEW_S = 3.0


class Lease:
    """``name``: what is leased. Whoever stops renewing loses it after LEASE_S, and then does nothing under it any more."""

    def __init__(self, store: Store, name: str, lease_s: float = LEASE_S, renew_s: float = RENEW_S) -> None:
        self.store = store
        self.name = name
        self.holder = new_id()
        self.lease_s = lease_s
        self.renew_s = renew_s
        self.until = 0.0
        self.renewed = 0.0

    @property
    def held(self) -> bool:
        """Whether it is ours still, by this process's own clock, which no time server sets back."""
        return time.monotonic() < self.until

    async def take(self) -> bool:
        """Take it if nobody has it. A look costs nothing, so it comes before the write that would fail."""
        if await self.store.get(KIND, [self.name]):
            return False
        return await self.put(Absent(KIND, self.name))

    async def keep(self) -> bool:
        """Renew it when that is due. False when it is lost: somebody else may have it."""
        if time.monotonic() - self.renewed < self.renew_s and self.held:
            return True
        return await self.put(self.ours)

    async def give_back(self) -> None:
        """Let another have it at once."""
        self.until = 0.0
        await self.store.commit([Delete(KIND, self.name)], [self.ours])

    @property
    def ours(self) -> Condition:
        return Tagged(KIND, self.name, (self.holder,))

    async def put(self, condition: Condition) -> bool:
        began = time.monotonic()
        document = Put(KIND, self.name, "{}", self.holder, self.store.now() + self.lease_s)
        answer = await self.store.commit([document], [condition])
        self.until = began + self.lease_s if isinstance(answer, Committed) else 0.0
        self.renewed = began
        return self.held

"""How many messages each queue has ever been given, noted once a minute: rates of publishing are told from two notes."""

from __future__ import annotations

import asyncio
import contextlib
from typing import cast

import msgspec

from postroad.core.writes import Absent, Put
from postroad.errors import EngineError
from postroad.ports.driver import Driver, Inspectable
from postroad.ports.store import Store

KIND = "published"
KEPT_S = 86_400.0
MINUTE_S = 60.0


class PublishedDocument(msgspec.Struct, frozen=True):
    """``at``: wall seconds. ``queues``: messages put there since it was made, by name."""

    at: float
    queues: dict[str, int]


async def note_published(driver: Driver) -> None:
    """A worker's service: runs until it is cancelled. Of several workers the first to come notes a minute."""
    if not isinstance(driver, Inspectable) or not isinstance(driver, Store):
        return
    while True:
        with contextlib.suppress(EngineError):
            await note(driver)
        now = driver.now()
        await asyncio.sleep(MINUTE_S - now % MINUTE_S)


async def note(driver: Inspectable) -> None:
    """Write down this minute, when nobody has."""
    store = cast(Store, driver)
    now = store.now()
    key = f"{int(now // MINUTE_S):010d}"
    if await store.get(KIND, [key]):
        return
    document = PublishedDocument(now, {queue.queue: queue.published for queue in await driver.queues()})
    put = Put(KIND, key, ENCODE(document).decode(), expires_at=now + KEPT_S)
    await store.commit([put], [Absent(KIND, key)])


ENCODE = msgspec.json.Encoder().encode
DECODE = msgspec.json.Decoder(PublishedDocument).decode

"""Handlers whose messages left before they ran (``ack="early"``): what their endings still have to say."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from postroad.core.outcome import Settlement
from postroad.engine.handler import Job
from postroad.errors import PostroadError
from postroad.ports.driver import Driver

logger = logging.getLogger("postroad.consumer")

Settled = list[tuple[Job | None, Settlement]]


class EarlyEndings:
    """``any``: whether there ever was one here."""

    def __init__(self, driver: Driver) -> None:
        self.driver = driver
        self.any = False

    async def take_out(self, settled: Settled) -> tuple[Settled, Settled]:
        """Those that are still to be settled, and the others: what these send and write is published here."""
        early: Settled = [(job, settlement) for job, settlement in settled if job is not None and job.early]
        if not early:
            return settled, early
        await self.publish([settlement for _job, settlement in early])
        return [(job, settlement) for job, settlement in settled if job is None or not job.early], early

    async def publish(self, settlements: Sequence[Settlement]) -> None:
        """At most once holds for this too: what the engine does not take now is lost, and said."""
        sends = [send for settlement in settlements for send in settlement.sends]
        writes = [write for settlement in settlements for write in settlement.writes]
        if not sends and not writes:
            return
        try:
            await self.driver.publish(sends, writes=writes)
        except PostroadError:
            logger.exception("%d sends and %d records of early-acknowledged messages are lost", len(sends), len(writes))

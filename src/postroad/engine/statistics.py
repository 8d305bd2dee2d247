"""What a worker process counts of its runs, and writes down about once a second: one document a minute.

It is on every message's way, so `record` only looks into a dict and appends; durations are put into histograms by the
thousand. The document of a minute says all of that minute so far: writing it again loses nothing and counts nothing twice.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import msgspec

from postroad.core.histogram import Histogram
from postroad.core.outcome import ACCEPT, Reject, Release, Settlement
from postroad.core.writes import Put
from postroad.engine.handler import Job
from postroad.errors import InvalidOption

KIND = "statistics"
KEPT_S = 86_400.0
MINUTE_S = 60.0
FLUSH_S = 1.0
PENDING_MAX = 5_000
BETWEEN = "\x1f"
SWITCH = "POSTROAD_STATISTICS"


class SeriesCounts(msgspec.Struct, frozen=True, omit_defaults=True):
    """One handler's runs of one queue in one minute, as written down.

    ``runs``: ended, however; of them ``retried``, ``dead`` and ``lost`` (acknowledged before they ran) have failed.
    ``unrun``: became dead letters without a run; such a series may be of no handler, "".
    ``wait`` (from the send, or from its due time, to the first start) and ``run``: packed histograms.
    """

    runs: int = 0
    retried: int = 0
    dead: int = 0
    unrun: int = 0
    lost: int = 0
    wait: list[int] = []
    run: list[int] = []


class StatisticsDocument(msgspec.Struct, frozen=True):
    """``series``: by queue and handler's name, with BETWEEN between them."""

    series: dict[str, SeriesCounts]


class Series:
    """The same, while it is counted. ``run_s`` and ``wait_s``: durations that are in no histogram yet."""

    __slots__ = ("dead", "lost", "name", "retried", "run", "run_s", "runs", "unrun", "wait", "wait_s")

    def __init__(self, name: str) -> None:
        self.name = name
        self.runs = self.retried = self.dead = self.unrun = self.lost = 0
        self.wait, self.run = Histogram(), Histogram()
        self.wait_s: list[float] = []
        self.run_s: list[float] = []

    def fold(self) -> None:
        """Put what is pending into the histograms."""
        self.runs += len(self.run_s)
        self.run.record(self.run_s)
        self.wait.record(self.wait_s)
        self.run_s.clear()
        self.wait_s.clear()

    def counts(self) -> SeriesCounts:
        self.fold()
        wait, run = self.wait.packed(), self.run.packed()
        return SeriesCounts(self.runs, self.retried, self.dead, self.unrun, self.lost, wait, run)


NO_SERIES = Series("")


class Statistics:
    """Counts for one process, ``worker``; on one thread. Times are wall seconds."""

    __slots__ = ("changed", "finished", "flushed_at", "minute", "minute_ends", "series", "worker")

    def __init__(self, worker: str) -> None:
        # Another one of this process, in the same minute, must not write over what this one wrote.
        self.worker = f"{worker}:{os.urandom(4).hex()}"
        self.series: dict[tuple[str, str], Series] = {}
        self.finished: list[Put] = []
        self.minute = 0
        self.minute_ends = self.flushed_at = 0.0
        self.changed = False

    def record(self, job: Job, settlement: Settlement, now: float) -> None:
        """One run has ended. ``job.started_at`` 0: it ended without one."""
        self.record_all([(job, settlement)], now)

    def record_all(self, ended: Sequence[tuple[Job | None, Settlement]], now: float) -> None:
        """These runs have ended; without a job, there was none. A loop rather than calls: most are of one handler."""
        if now >= self.minute_ends:
            self.begin_minute(now)
        self.changed = True
        source, handler, series = "", None, NO_SERIES
        for job, settlement in ended:
            if job is None:
                self.not_run(settlement)
                continue
            delivery = job.delivery
            if job.handler is not handler or delivery.source != source:
                source, handler = delivery.source, job.handler
                series = self.series_of(source, handler.name)
            started_at = job.started_at
            if settlement.outcome is not ACCEPT or not started_at:
                self.unusual(series, job, settlement)
            if started_at:
                series.run_s.append((job.ended_at or now) - started_at)
                if delivery.attempt == 1:
                    message = delivery.message
                    series.wait_s.append(started_at - (message.due_at or message.queued_at))
        for series in self.series.values():
            if len(series.run_s) >= PENDING_MAX:
                series.fold()

    def series_of(self, queue: str, handler: str) -> Series:
        return self.series.get((queue, handler)) or self.new_series(queue, handler)

    def unusual(self, series: Series, job: Job, settlement: Settlement) -> None:
        """It failed, or there was no run."""
        kind = type(settlement.outcome)
        if not job.started_at:
            series.unrun += kind is Reject
        elif kind is Release:
            series.retried += 1
        elif kind is Reject and job.handler.ack_early:
            series.lost += 1
        else:
            series.dead += kind is Reject

    def not_run(self, settlement: Settlement) -> None:
        """No handler got to see it: expired, convicted, of no known name."""
        if type(settlement.outcome) is Reject:
            self.series_of(settlement.delivery.source, "").unrun += 1

    def new_series(self, queue: str, handler: str) -> Series:
        series = self.series[queue, handler] = Series(f"{queue}{BETWEEN}{handler}")
        return series

    def begin_minute(self, now: float) -> None:
        """What was counted in the minute before is finished: it leaves with the next flush."""
        if self.changed:
            self.finished.append(self.document())
        self.series = {}
        self.changed = False
        self.minute = int(now // MINUTE_S)
        self.minute_ends = (self.minute + 1) * MINUTE_S

    def flush(self, now: float) -> list[Put]:
        """What to write down; nothing when nothing has ended since, or it was asked less than FLUSH_S ago."""
        if 0 <= now - self.flushed_at < FLUSH_S:
            return []
        return self.flush_all(now)

    def flush_all(self, now: float) -> list[Put]:
        """The same at the end of the process: without waiting."""
        self.flushed_at = now
        puts, self.finished = self.finished, []
        if self.changed:
            puts.append(self.document())
            self.changed = False
        return puts

    def document(self) -> Put:
        document = StatisticsDocument({series.name: series.counts() for series in self.series.values()})
        expires_at = self.minute_ends + KEPT_S
        return Put(KIND, f"{self.minute:010d}:{self.worker}", ENCODE(document).decode(), expires_at=expires_at)


def statistics_for(worker: str) -> Statistics | None:
    """None when the environment says POSTROAD_STATISTICS=off. Raises InvalidOption for any other word than on and off."""
    word = os.environ.get(SWITCH, "on") or "on"
    if word not in ("on", "off"):
        raise InvalidOption(f"{SWITCH}={word!r}: write on (as when it is not set) or off.")
    return Statistics(worker) if word == "on" else None


ENCODE = msgspec.json.Encoder().encode
DECODE = msgspec.json.Decoder(StatisticsDocument).decode

"""What `top` shows: one look, with rates since the look some seconds before."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from postroad.cli.output import Column, age, as_json, table
from postroad.observe.inspect import Inspection
from postroad.observe.statistics import StatisticsView, runs_by_document
from postroad.observe.views import WorkerView

BACK_S = 10.0
SURE_S = 3.0


class Sight(NamedTuple):
    """Of one moment: how many were ever published, by queue; how many runs have ended, by document, queue and handler."""

    at: float
    published: dict[str, int]
    ended: dict[tuple[str, str, str], int]


class Rates(NamedTuple):
    """Messages a second: into each queue, and ended by queue and handler; empty until there are two looks."""

    published: Mapping[str, float] = {}
    ended: Mapping[tuple[str, str], float] | None = None

    def of_handler(self, queue: str, handler: str, otherwise: float) -> float:
        return otherwise if self.ended is None else self.ended.get((queue, handler), 0.0)

    def of_queue(self, queue: str, otherwise: float) -> float:
        if self.ended is None:
            return otherwise
        return sum(rate for (name, _handler), rate in self.ended.items() if name == queue)


class QueueRow(msgspec.Struct, frozen=True):
    """``*_per_s``: messages a second of the last ten; of the window, in a first picture."""

    queue: str
    ready: int
    delayed: int
    in_flight: int
    dead_letters: int
    consumers: int
    oldest_age_s: float | None
    published_per_s: float | None
    consumed_per_s: float
    error_rate: float | None
    wait_p95_s: float | None


class HandlerRow(msgspec.Struct, frozen=True):
    queue: str
    handler: str
    consumed: int
    consumed_per_s: float
    failed: int
    retried: int
    dead: int
    error_rate: float | None
    run_p50_s: float | None
    run_p95_s: float | None
    run_p99_s: float | None


class Picture(msgspec.Struct, frozen=True):
    """All that is shown."""

    at: float
    window_s: float
    queues: tuple[QueueRow, ...]
    handlers: tuple[HandlerRow, ...]
    workers: tuple[WorkerView, ...]

    def shown(self, output: str) -> str:
        if output != "text":
            return as_json(self, indent=2 if output == "json" else 0)
        parts = [
            f"last {age(self.window_s)}: {len(self.queues):,} queues, {len(self.workers):,} processes",
            *([] if not self.queues else ["", *table(self.queues, QUEUE_COLUMNS)]),
            *([] if not self.handlers else ["", *table(self.handlers, HANDLER_COLUMNS)]),
            *([] if not self.workers else ["", *table(self.workers, WORKER_COLUMNS)]),
        ]
        return "\n".join(parts)


class Pictures:
    """One after the other; remembers the looks of the last BACK_S seconds."""

    def __init__(self, inspection: Inspection, window_s: float) -> None:
        self.inspection = inspection
        self.window_s = window_s
        self.sights: deque[Sight] = deque()

    async def next(self) -> Picture:
        view = await self.inspection.statistics(self.window_s)
        workers = await self.inspection.workers()
        published = {queue.queue: queue.published for queue in view.queues}
        ended = await runs_by_document(self.inspection.engine)
        return picture(view, workers, self.rates(Sight(view.at, published, ended)))

    def rates(self, now: Sight) -> Rates:
        """Since the oldest look that is remembered."""
        while self.sights and now.at - self.sights[0].at > BACK_S:
            self.sights.popleft()
        before = self.sights[0] if self.sights else now
        self.sights.append(now)
        passed_s = now.at - before.at
        if passed_s <= 0:
            return Rates()
        into = {name: max(count - before.published.get(name, 0), 0) / passed_s for name, count in now.published.items()}
        return Rates(into, ended_per_s(before, now, passed_s) if passed_s >= SURE_S else None)


def ended_per_s(before: Sight, now: Sight, passed_s: float) -> dict[tuple[str, str], float]:
    """Workers write down once a second what has ended: over a few seconds that evens out."""
    found: dict[tuple[str, str], float] = defaultdict(float)
    for key, count in now.ended.items():
        found[key[1:]] += max(count - before.ended.get(key, 0), 0) / passed_s
    return found


def picture(view: StatisticsView, workers: list[WorkerView], rates: Rates) -> Picture:
    queues = tuple(
        QueueRow(
            queue.queue,
            queue.ready,
            queue.delayed,
            queue.in_flight,
            queue.dead_letters,
            queue.consumers,
            queue.oldest_age_s,
            rates.published.get(queue.queue, queue.published_per_s),
            rates.of_queue(queue.queue, queue.flow.consumed_per_s),
            queue.flow.error_rate,
            queue.flow.wait.p95_s,
        )
        for queue in view.queues
    )
    handlers = tuple(
        HandlerRow(
            one.queue,
            one.handler,
            one.flow.consumed,
            rates.of_handler(one.queue, one.handler, one.flow.consumed_per_s),
            one.flow.failed,
            one.flow.retried,
            one.flow.dead,
            one.flow.error_rate,
            one.flow.run.p50_s,
            one.flow.run.p95_s,
            one.flow.run.p99_s,
        )
        for one in view.handlers
    )
    return Picture(view.at, view.window_s, queues, handlers, tuple(workers))


def per_second(rate: float | None) -> str:
    if rate is None:
        return "-"
    return f"{rate:,.0f}/s" if rate >= 10 else f"{rate:.1f}/s"


def percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"


def short(duration_s: float | None) -> str:
    """A run's or a wait's time, from microseconds up."""
    if duration_s is None or duration_s >= 1:
        return age(duration_s)
    return f"{duration_s * 1000:.0f}ms" if duration_s >= 0.01 else f"{duration_s * 1000:.2g}ms"


QUEUE_COLUMNS: tuple[Column, ...] = (
    Column("QUEUE", lambda row: row.queue),
    Column("READY", lambda row: f"{row.ready:,}", right=True),
    Column("DELAYED", lambda row: f"{row.delayed:,}", right=True),
    Column("IN FLIGHT", lambda row: f"{row.in_flight:,}", right=True),
    Column("DEAD", lambda row: f"{row.dead_letters:,}", right=True),
    Column("OLDEST", lambda row: age(row.oldest_age_s), right=True),
    Column("CONSUMERS", lambda row: f"{row.consumers:,}", right=True),
    Column("IN", lambda row: per_second(row.published_per_s), right=True),
    Column("DONE", lambda row: per_second(row.consumed_per_s), right=True),
    Column("ERRORS", lambda row: percent(row.error_rate), right=True),
    Column("WAIT P95", lambda row: short(row.wait_p95_s), right=True),
)
HANDLER_COLUMNS: tuple[Column, ...] = (
    Column("HANDLER", lambda row: row.handler),
    Column("QUEUE", lambda row: row.queue),
    Column("RUNS", lambda row: f"{row.consumed:,}", right=True),
    Column("DONE", lambda row: per_second(row.consumed_per_s), right=True),
    Column("FAILED", lambda row: f"{row.failed:,}", right=True),
    Column("RETRIED", lambda row: f"{row.retried:,}", right=True),
    Column("DEAD", lambda row: f"{row.dead:,}", right=True),
    Column("ERRORS", lambda row: percent(row.error_rate), right=True),
    Column("P50", lambda row: short(row.run_p50_s), right=True),
    Column("P95", lambda row: short(row.run_p95_s), right=True),
    Column("P99", lambda row: short(row.run_p99_s), right=True),
)
WORKER_COLUMNS: tuple[Column, ...] = (
    Column("PROCESS", lambda worker: worker.name),
    Column("PID", lambda worker: str(worker.pid), right=True),
    Column("STATE", lambda worker: worker.state),
    Column("IN FLIGHT", lambda worker: f"{worker.in_flight:,}", right=True),
    Column("RUNNING", lambda worker: f"{len(worker.running):,}", right=True),
)

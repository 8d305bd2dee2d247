"""What all workers wrote down of their runs, put together: by queue, by handler, by subscription."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

import msgspec

from postroad.core.durations import Duration, seconds
from postroad.core.histogram import Histogram
from postroad.core.writes import Document
from postroad.engine import sampling
from postroad.engine.statistics import BETWEEN, DECODE, KEPT_S, KIND, MINUTE_S, SeriesCounts
from postroad.errors import InvalidOption
from postroad.ports.driver import QueueDepth
from postroad.ports.store import Store

PAGE = 500


class Times(msgspec.Struct, frozen=True):
    """Durations in seconds that half, 95 % and 99 % do not exceed, to 6 %; None when there are none."""

    p50_s: float | None = None
    p95_s: float | None = None
    p99_s: float | None = None


class Flow(msgspec.Struct, frozen=True):
    """What became of messages in the window.

    ``consumed``: runs that ended, however; of them ``failed`` raised: they were ``retried``, became dead letters, or had been
    acknowledged before.
    ``dead`` counts those that died without a run (expired) too. ``error_rate``: failed of consumed, None without any.
    ``wait``: from the send, or the due time, to the first start. ``run``: of every run.
    """

    consumed: int
    failed: int
    retried: int
    dead: int
    consumed_per_s: float
    failed_per_s: float
    retried_per_s: float
    dead_per_s: float
    error_rate: float | None
    wait: Times
    run: Times


class HandlerStatistics(msgspec.Struct, frozen=True):
    """One handler (a task, a consumer, a subscriber) on one queue."""

    queue: str
    handler: str
    flow: Flow


class QueueStatistics(msgspec.Struct, frozen=True):
    """One queue: as it is now, and what went through it in the window.

    ``published``: since the queue was made; ``published_per_s``: in the window, None until there are two notes of it.
    """

    queue: str
    carries: str
    ready: int
    delayed: int
    in_flight: int
    dead_letters: int
    consumers: int
    max_length: int | None
    oldest_age_s: float | None
    published: int
    published_per_s: float | None
    flow: Flow


class StatisticsView(msgspec.Struct, frozen=True):
    """From ``since`` to ``at`` (wall seconds), ``window_s`` seconds: whole minutes and the one that has begun.

    ``subscriptions``: those of the queues that hold a group's events.
    """

    at: float
    since: float
    window_s: float
    queues: tuple[QueueStatistics, ...]
    handlers: tuple[HandlerStatistics, ...]
    subscriptions: tuple[QueueStatistics, ...]


Counted = dict[tuple[str, str], list[SeriesCounts]]
"""By queue and handler."""


async def statistics(store: Store, depths: Sequence[QueueDepth], window: Duration = "5m") -> StatisticsView:
    """Of the last ``window`` (at most a day), rounded up to whole minutes."""
    window_s = seconds(window, "window")
    if not 0 < window_s <= KEPT_S:
        raise InvalidOption(
            f"window={window!r}: statistics are kept for a day; give more than nothing, and at most 1d."
        )
    now = store.now()
    first = int((now - window_s) // MINUTE_S)
    documents = await since_minute(store, KIND, first)
    first = await young(store, first, documents, now)
    notes = await since_minute(store, sampling.KIND, first)
    return put_together(documents, depths, first * MINUTE_S, now, published_rates(notes, depths, now))


async def runs_by_document(store: Store) -> dict[tuple[str, str, str], int]:
    """How many runs each document of this minute and the one before counts: by its key, queue and handler.

    Two looks tell what ended between them: a document only ever grows, and a new one begins with nothing.
    """
    found: dict[tuple[str, str, str], int] = {}
    for document in await since_minute(store, KIND, int(store.now() // MINUTE_S) - 1):
        for name, counts in DECODE(document.value).series.items():
            queue, _between, handler = name.partition(BETWEEN)
            found[document.key, queue, handler] = counts.runs
    return found


async def since_minute(store: Store, kind: str, first: int) -> list[Document]:
    """All documents of this minute and later ones, the newest first."""
    found: list[Document] = []
    least = f"{first:010d}"
    while True:
        page = await store.scan(kind, before=found[-1].key if found else None, limit=PAGE)
        found += [document for document in page if document.key >= least]
        if len(page) < PAGE or page[-1].key < least:
            return found


async def young(store: Store, first: int, documents: Sequence[Document], now: float) -> int:
    """Where the window begins: with the first minute ever written down, when that lies in it."""
    if await store.scan(KIND, before=f"{first:010d}", limit=1):
        return first
    return minute_of(documents[-1]) if documents else int(now // MINUTE_S)


def minute_of(document: Document) -> int:
    return int(document.key.partition(":")[0])


def put_together(
    documents: Iterable[Document], depths: Sequence[QueueDepth], since: float, now: float, rates: dict[str, float]
) -> StatisticsView:
    window_s = max(now - since, 1.0)
    counted = by_series(documents)
    handlers = [HandlerStatistics(*key, flow(counted[key], window_s)) for key in sorted(counted) if key[1]]
    queues = tuple(of_queue(depth, counted, window_s, rates.get(depth.queue)) for depth in depths)
    subscriptions = tuple(queue for queue in queues if queue.carries == "events")
    return StatisticsView(now, since, window_s, queues, tuple(handlers), subscriptions)


def by_series(documents: Iterable[Document]) -> Counted:
    counted: Counted = defaultdict(list)
    for document in documents:
        for name, counts in DECODE(document.value).series.items():
            queue, _between, handler = name.partition(BETWEEN)
            counted[queue, handler].append(counts)
    return counted


def of_queue(depth: QueueDepth, counted: Counted, window_s: float, published_per_s: float | None) -> QueueStatistics:
    counts = [one for (queue, _handler), many in counted.items() if queue == depth.queue for one in many]
    return QueueStatistics(
        depth.queue,
        depth.carries,
        depth.ready,
        depth.delayed,
        depth.in_flight,
        depth.dead,
        depth.consumers,
        depth.max_length,
        depth.oldest_age_s,
        depth.published,
        published_per_s,
        flow(counts, window_s),
    )


def flow(counts: Sequence[SeriesCounts], window_s: float) -> Flow:
    consumed = sum(one.runs for one in counts)
    retried, died = sum(one.retried for one in counts), sum(one.dead for one in counts)
    failed = retried + died + sum(one.lost for one in counts)
    dead = died + sum(one.unrun for one in counts)
    return Flow(
        consumed,
        failed,
        retried,
        dead,
        consumed / window_s,
        failed / window_s,
        retried / window_s,
        dead / window_s,
        failed / consumed if consumed else None,
        times(one.wait for one in counts),
        times(one.run for one in counts),
    )


def times(packed: Iterable[Sequence[int]]) -> Times:
    histogram = Histogram()
    for one in packed:
        histogram.add(one)
    return Times(*(histogram.percentile(share) for share in (0.5, 0.95, 0.99)))


def published_rates(notes: Sequence[Document], depths: Sequence[QueueDepth], now: float) -> dict[str, float]:
    """Messages a second into each queue, from the oldest note in the window until now; nothing without a note."""
    if not notes:
        return {}
    then = sampling.DECODE(notes[-1].value)
    if now - then.at < 1.0:
        return {}
    return {
        depth.queue: max(depth.published - then.queues.get(depth.queue, 0), 0) / (now - then.at) for depth in depths
    }

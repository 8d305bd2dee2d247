"""What all workers wrote down, put together."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from tests.observe.handlers import NamedHandler

from postroad import App
from postroad.core.delivery import Delivery
from postroad.core.message import Message
from postroad.core.outcome import ACCEPT, Outcome, Reject, Release, Settlement
from postroad.core.topology import Queue, Topology
from postroad.core.writes import Put
from postroad.drivers.registry import open_driver
from postroad.engine import sampling
from postroad.engine.handler import Job
from postroad.engine.statistics import KEPT_S, Statistics
from postroad.errors import InvalidOption
from postroad.observe.inspect import Engine, Inspection
from postroad.observe.statistics import StatisticsView

EVERYTHING = Topology(queues=(Queue("media", "tasks"), Queue("events.audit", "events")))


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/shop.db"


def run(url: str, act: Callable[[Engine, Inspection], Coroutine[Any, Any, Any]]) -> Any:
    """On an engine with the two queues."""

    async def inside() -> Any:
        async with open_driver(url) as driver:
            await driver.apply(await driver.plan(EVERYTHING))
            inspection = Inspection(driver)
            return await act(inspection.engine, inspection)

    return asyncio.run(inside())


def record(
    statistics: Statistics, at: float, queue: str, handler: str, run_s: float, wait_s: float, outcome: Outcome = ACCEPT
) -> None:
    delivery = Delivery(Message("1", b"", queued_at=at - run_s - wait_s), queue, (1, 1))
    job = Job(delivery, NamedHandler(handler))
    job.started_at, job.ended_at = at - run_s, at
    statistics.record(job, Settlement(delivery, outcome), at)


def view_of(url: str, fill: Callable[[float], list[Put]], window: str = "5m") -> StatisticsView:
    async def act(engine: Engine, inspection: Inspection) -> StatisticsView:
        await engine.commit(fill(engine.now()))
        return await inspection.statistics(window)

    view: StatisticsView = run(url, act)
    return view


def test_percentiles_and_rates_of_known_runs_by_two_workers(url: str) -> None:
    chosen = random.Random(5)

    def fill(now: float) -> list[Put]:
        puts: list[Put] = []
        for worker in ("one", "two"):
            statistics = Statistics(worker)
            for _ in range(5_000):
                record(statistics, now - 200, "media", "shop.resize", chosen.expovariate(10), chosen.uniform(0, 4))
            record(statistics, now - 100, "media", "shop.resize", 0.001, 0.001, Release(1.0, counted=True))
            record(statistics, now, "media", "shop.resize", 0.001, 0.001, Reject("no"))
            puts += statistics.flush(now)
        return puts

    view = view_of(url, fill)
    media = next(queue for queue in view.queues if queue.queue == "media")
    flow = media.flow
    assert (flow.consumed, flow.failed, flow.retried, flow.dead) == (10_004, 4, 2, 2)
    assert flow.error_rate == pytest.approx(4 / 10_004)
    assert flow.consumed_per_s == pytest.approx(10_004 / view.window_s)
    assert 200 <= view.window_s <= 260, "an engine is as young as its first run"
    assert flow.run.p50_s == pytest.approx(0.0693, rel=0.1)
    assert flow.run.p95_s == pytest.approx(0.2996, rel=0.1)
    assert flow.run.p99_s == pytest.approx(0.4605, rel=0.1)
    assert flow.wait.p50_s == pytest.approx(2.0, rel=0.1)
    assert flow.wait.p95_s == pytest.approx(3.8, rel=0.1)
    (handler,) = view.handlers
    assert (handler.queue, handler.handler, handler.flow) == ("media", "shop.resize", flow)


def test_handlers_and_subscriptions_are_told_apart(url: str) -> None:
    def fill(now: float) -> list[Put]:
        statistics = Statistics("w")
        record(statistics, now, "media", "shop.resize", 0.1, 0.1)
        record(statistics, now, "media", "shop.add", 0.2, 0.1)
        record(statistics, now, "events.audit", "shop.audit", 0.3, 0.1)
        return statistics.flush(now)

    view = view_of(url, fill)
    assert [(one.queue, one.handler) for one in view.handlers] == [
        ("events.audit", "shop.audit"),
        ("media", "shop.add"),
        ("media", "shop.resize"),
    ]
    assert {queue.queue: queue.flow.consumed for queue in view.queues} == {"events.audit": 1, "media": 2}
    assert [queue.queue for queue in view.subscriptions] == ["events.audit"]


def test_only_the_window_counts(url: str) -> None:
    def fill(now: float) -> list[Put]:
        statistics = Statistics("w")
        for ago_s in (7_200, 900, 30):
            record(statistics, now - ago_s, "media", "shop.resize", 0.1, 0.1)
        return statistics.flush(now)

    assert view_of(url, fill).handlers[0].flow.consumed == 1
    (url_of_an_hour,) = (url.replace("shop", "hour"),)
    view = view_of(url_of_an_hour, fill, "1h")
    assert view.handlers[0].flow.consumed == 2
    assert 3_600 <= view.window_s <= 3_660


def test_more_documents_than_a_page(url: str) -> None:
    def fill(now: float) -> list[Put]:
        puts: list[Put] = []
        for worker in range(1_203):
            statistics = Statistics(f"w{worker:05d}")
            record(statistics, now - worker % 120, "media", "shop.resize", 0.1, 0.1)
            puts += statistics.flush(now)
        return puts

    assert view_of(url, fill).handlers[0].flow.consumed == 1_203


def test_old_documents_expire(url: str) -> None:
    async def act(engine: Engine, inspection: Inspection) -> StatisticsView:
        statistics = Statistics("w")
        now = engine.now()
        record(statistics, now - KEPT_S - 120, "media", "shop.resize", 0.1, 0.1)
        await engine.commit(statistics.flush(now))
        return await inspection.statistics("1d")

    view: StatisticsView = run(url, act)
    assert view.handlers == ()


def test_nothing_has_run_yet(url: str) -> None:
    view = view_of(url, lambda _now: [])
    assert view.handlers == () and view.queues[0].flow.error_rate is None
    assert view.queues[0].published_per_s is None


def test_the_rate_of_publishing_is_told_from_a_note(url: str) -> None:
    async def act(engine: Engine, inspection: Inspection) -> StatisticsView:
        now = engine.now()
        document = sampling.PublishedDocument(now - 100, {"media": -200})
        key = f"{int((now - 100) // 60):010d}"
        await engine.commit([Put(sampling.KIND, key, sampling.ENCODE(document).decode())])
        statistics = Statistics("w")
        record(statistics, now - 130, "media", "shop.resize", 0.1, 0.1)
        await engine.commit(statistics.flush(now))
        return await inspection.statistics()

    view: StatisticsView = run(url, act)
    media = next(queue for queue in view.queues if queue.queue == "media")
    assert media.published_per_s == pytest.approx((media.published + 200) / 100, rel=0.05)


def test_one_note_a_minute_whoever_comes_first(url: str) -> None:
    async def act(engine: Engine, inspection: Inspection) -> int:
        await sampling.note(engine)
        await sampling.note(engine)
        return len(await inspection.all_documents(sampling.KIND))

    assert run(url, act) in (1, 2), "2 only when a minute ended in between"


@pytest.mark.parametrize("window", ["0s", "25h"])
def test_a_window_that_cannot_be(url: str, window: str) -> None:
    with pytest.raises(InvalidOption, match="window"):
        view_of(url, lambda _now: [], window)


def test_the_app_looks_without_a_coroutine(url: str) -> None:
    with App(url) as app:
        app.task(name="shop.add", queue="media")(lambda: None).delay()
        view = app.inspect.statistics(window="5m")
        assert [queue.queue for queue in view.queues] == ["media"] and view.queues[0].ready == 1

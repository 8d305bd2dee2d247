"""What a worker counts of its runs and writes down."""

from __future__ import annotations

import pytest
from tests.observe.handlers import NamedHandler

from postroad.core.delivery import Delivery
from postroad.core.histogram import Histogram
from postroad.core.message import Message
from postroad.core.outcome import ACCEPT, Outcome, Reject, Release, Settlement
from postroad.core.writes import Put
from postroad.engine.handler import Job
from postroad.engine.statistics import DECODE, KEPT_S, PENDING_MAX, SeriesCounts, Statistics, statistics_for
from postroad.errors import InvalidOption

START = 6_000.0
ADD = NamedHandler("shop.add")
EARLY = NamedHandler("shop.early")
EARLY.ack_early = True


def delivery(queued_at: float, due_at: float | None = None, attempt: int = 1) -> Delivery:
    return Delivery(Message("1", b"", queued_at=queued_at, due_at=due_at), "default", (1, 1), attempt)


def ended(
    statistics: Statistics,
    now: float,
    outcome: Outcome = ACCEPT,
    *,
    run_s: float = 0.01,
    wait_s: float = 0.5,
    attempt: int = 1,
    ran: bool = True,
    due_at: float | None = None,
    handler: NamedHandler = ADD,
) -> None:
    started_at = now - run_s
    taken = delivery(started_at - wait_s, due_at, attempt)
    job = Job(taken, handler)
    job.started_at, job.ended_at = (started_at, now) if ran else (0.0, 0.0)
    statistics.record(job, Settlement(taken, outcome), now)


def series(put: Put, name: str = "default\x1fshop.add") -> SeriesCounts:
    return DECODE(put.value).series[name]


def test_outcomes_are_told_apart() -> None:
    statistics = Statistics("w")
    for outcome in (ACCEPT, ACCEPT, Release(1.0, counted=True), Release(1.0), Reject("no")):
        ended(statistics, START, outcome)
    ended(statistics, START, Reject("expired: too late"), ran=False)
    ended(statistics, START, ACCEPT, ran=False)
    ended(statistics, START, Reject("no"), handler=EARLY)
    statistics.record_all([(None, Settlement(delivery(START), Reject("expired")))], START)
    (put,) = statistics.flush(START)
    counts, early, nobody = series(put), series(put, "default\x1fshop.early"), series(put, "default\x1f")
    assert (counts.runs, counts.retried, counts.dead, counts.unrun) == (5, 2, 1, 1)
    assert (early.runs, early.dead, early.lost) == (1, 0, 1)
    assert (nobody.runs, nobody.unrun) == (0, 1)
    assert Histogram(counts.run).total == 5


def test_the_wait_is_of_first_attempts_and_from_the_due_time() -> None:
    statistics = Statistics("w")
    ended(statistics, START, wait_s=100.0)
    ended(statistics, START, wait_s=3_000.0, due_at=START - 0.01 - 20.0)
    ended(statistics, START, wait_s=3_000.0, attempt=2)
    wait = Histogram(series(statistics.flush(START)[0]).wait)
    assert wait.total == 2
    assert wait.percentile(0.5) == pytest.approx(20.0, rel=0.06)
    assert wait.percentile(1.0) == pytest.approx(100.0, rel=0.06)


def test_a_document_says_all_of_its_minute_and_the_next_one_begins_anew() -> None:
    statistics = Statistics("w")
    ended(statistics, START)
    (first,) = statistics.flush(START)
    ended(statistics, START + 2)
    (second,) = statistics.flush(START + 2)
    assert first.key.startswith(f"{100:010d}:w:") and first.kind == "statistics"
    assert second.key == first.key
    assert (series(first).runs, series(second).runs) == (1, 2)
    assert first.expires_at == START + 60 + KEPT_S
    ended(statistics, START + 3)
    ended(statistics, START + 60)
    finished, now = statistics.flush(START + 61)
    assert (finished.key, series(finished).runs) == (first.key, 3)
    assert series(now).runs == 1 and now.key.startswith(f"{101:010d}:w:")


def test_two_in_one_process_write_over_nothing_of_each_other() -> None:
    keys = set()
    for _ in range(2):
        statistics = Statistics("w")
        ended(statistics, START)
        keys |= {put.key for put in statistics.flush(START)}
    assert len(keys) == 2


def test_nothing_is_written_when_nothing_ended_nor_twice_a_second() -> None:
    statistics = Statistics("w")
    assert statistics.flush(START) == []
    ended(statistics, START)
    assert statistics.flush(START + 0.5) == []
    assert len(statistics.flush(START + 1.0)) == 1
    assert statistics.flush(START + 10) == []
    ended(statistics, START + 10)
    assert len(statistics.flush_all(START + 10)) == 1
    assert statistics.flush_all(START + 10) == []


def test_handlers_and_queues_are_told_apart_and_many_runs_are_counted() -> None:
    statistics = Statistics("w")
    for _ in range(2 * PENDING_MAX + 7):
        ended(statistics, START)
    ended(statistics, START, handler=NamedHandler("shop.fail"))
    (put,) = statistics.flush(START)
    assert {name: counts.runs for name, counts in DECODE(put.value).series.items()} == {
        "default\x1fshop.add": 2 * PENDING_MAX + 7,
        "default\x1fshop.fail": 1,
    }


def test_the_switch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("POSTROAD_STATISTICS", raising=False)
    assert statistics_for("w") is not None
    monkeypatch.setenv("POSTROAD_STATISTICS", "off")
    assert statistics_for("w") is None
    monkeypatch.setenv("POSTROAD_STATISTICS", "no")
    with pytest.raises(InvalidOption, match="write on"):
        statistics_for("w")

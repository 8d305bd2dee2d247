"""Threads: order, withdrawal, and handlers that try to end their thread."""

from __future__ import annotations

import threading

import pytest

from postroad.core.outcome import Accept, Reject, Settlement
from postroad.engine.handler import Job
from postroad.engine.pipeline import Pipeline
from postroad.worker.executors import ThreadExecutor
from postroad.worker.slots import NoSlots

from .handlers import Endings, job_of


class Noting(NoSlots):
    """Slots that remember who is in."""

    def __init__(self) -> None:
        self.inside: dict[int, tuple[int, int]] = {}
        self.entered: list[tuple[int, int]] = []

    def enter(self, slot: int, receipt: tuple[int, int]) -> None:
        assert slot not in self.inside
        self.inside[slot] = receipt
        self.entered.append(receipt)

    def leave(self, slot: int) -> None:
        del self.inside[slot]


@pytest.fixture
def slots() -> Noting:
    return Noting()


def started(threads: int, slots: Noting, endings: Endings) -> ThreadExecutor:
    executor = ThreadExecutor(threads, Pipeline("here").run, slots, 0)
    executor.start(endings.done)
    return executor


def test_every_job_is_answered_once_and_its_start_was_noted(slots: Noting) -> None:
    endings = Endings()
    executor = started(3, slots, endings)
    jobs = [job_of(lambda: None) for _ in range(500)]
    executor.submit(jobs)
    settlements = endings.wait(500)
    executor.close(5.0)
    assert {s.delivery.receipt for s in settlements} == {job.delivery.receipt for job in jobs}
    assert sorted(slots.entered) == sorted(job.delivery.receipt for job in jobs)
    assert not slots.inside
    assert all(isinstance(s.outcome, Accept) for s in settlements)


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, MemoryError, GeneratorExit])
def test_no_error_ends_a_thread(error: type[BaseException], slots: Noting) -> None:
    endings = Endings()
    executor = started(1, slots, endings)

    def bad() -> None:
        raise error

    executor.submit([job_of(bad), job_of(lambda: None)])
    first, second = endings.wait(2)
    executor.close(5.0)
    assert isinstance(first.outcome, Reject) and error.__name__ in first.outcome.reason
    assert isinstance(second.outcome, Accept)


def test_a_pipeline_that_fails_leaves_a_dead_letter(slots: Noting) -> None:
    def broken(job: Job) -> Settlement:
        raise RuntimeError("no decision")

    endings = Endings()
    executor = ThreadExecutor(1, broken, slots, 0)
    executor.start(endings.done)
    executor.submit([job_of(lambda: None)])
    (settlement,) = endings.wait(1)
    executor.close(5.0)
    assert isinstance(settlement.outcome, Reject) and "no decision" in settlement.outcome.reason


def test_what_has_not_started_can_be_withdrawn_in_order(slots: Noting) -> None:
    endings = Endings()
    executor = started(1, slots, endings)
    entered, go_on = threading.Event(), threading.Event()

    def blocking() -> None:
        entered.set()
        assert go_on.wait(10)

    first, *others = [job_of(blocking) for _ in range(4)]
    executor.submit([first, *others])
    assert entered.wait(10)
    assert executor.withdraw() == others
    go_on.set()
    endings.wait(1)
    executor.close(5.0)
    assert endings.jobs == [first]


def test_close_does_not_wait_for_ever(slots: Noting) -> None:
    endings = Endings()
    executor = started(2, slots, endings)
    entered, go_on = threading.Event(), threading.Event()

    def blocking() -> None:
        entered.set()
        assert go_on.wait(10)

    executor.submit([job_of(blocking)])
    assert entered.wait(10)
    executor.close(0.05)
    assert slots.inside
    go_on.set()
    endings.wait(1)

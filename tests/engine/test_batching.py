"""Batches: the bad one is found by halving, named ones are believed, what was sent leaves once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroad.core.delivery import Delivery
from postroad.core.message import Address, Message, Send
from postroad.core.outcome import Accept, Reject, Release
from postroad.core.retry import ErrorRoutes, Retry
from postroad.core.writes import Write
from postroad.engine.batching import BatchJob, Gatherer, each_of, run_batch, run_batch_async
from postroad.engine.context import CURRENT
from postroad.engine.handler import Batch, Ending, Handler, HandlerBase, Job
from postroad.engine.pipeline import Pipeline
from postroad.errors import BatchError, DeadLetter, Undecodable


class Lists(HandlerBase):
    """Takes lists of numbers; a body that is none cannot be read."""

    special = True
    name = "lists"
    executor = "thread"
    max_deliveries = 5
    routes: ErrorRoutes = {}  # noqa: RUF012
    batch = Batch(10)

    def __init__(self, function: Callable[..., Any], retry: Retry | None = None) -> None:
        self.function = function
        self.retry = retry

    def decode(self, message: Message) -> tuple[tuple[Any, ...], dict[str, Any]]:
        try:
            return (msgspec.json.decode(message.body, type=int),), {}
        except msgspec.DecodeError as error:
            raise Undecodable(str(error)) from error

    def writes(self, delivery: Delivery, ending: Ending) -> tuple[Write, ...]:
        return ()


def batch_of(handler: Handler, bodies: list[bytes]) -> BatchJob:
    return BatchJob(
        [Job(Delivery(Message(f"id-{index}", body), "numbers", (1, index + 1)), handler) for index, body in enumerate(bodies)]
    )


def outcomes(function: Callable[[list[int]], Any], bodies: list[bytes], retry: Retry | None = None) -> list[str]:
    """How each of the batch ended, by its place in it."""
    batch = batch_of(Lists(function, retry), bodies)
    ended = run_batch(Pipeline("here"), batch)
    assert {id(job) for job, _settlement in ended} == {id(job) for job in batch.jobs}, "each ends once"
    assert len(ended) == len(batch.jobs)
    by_job = {id(job): type(settlement.outcome).__name__ for job, settlement in ended}
    return [by_job[id(job)] for job in batch.jobs]


def numbers(count: int) -> list[bytes]:
    return [str(index).encode() for index in range(count)]


def test_all_is_well() -> None:
    seen: list[list[int]] = []
    assert outcomes(seen.append, numbers(4)) == ["Accept"] * 4
    assert seen == [[0, 1, 2, 3]]


@given(st.integers(1, 40), st.sets(st.integers(0, 39)), st.booleans())
def test_only_the_bad_ones_fail(count: int, bad: set[int], retried: bool) -> None:
    calls = 0

    def handle(items: list[int]) -> None:
        nonlocal calls
        calls += 1
        if bad & set(items):
            raise ValueError("one of these is bad")

    failed = "Release" if retried else "Reject"
    assert outcomes(handle, numbers(count), Retry(max=1) if retried else None) == [
        failed if index in bad else "Accept" for index in range(count)
    ]
    assert calls <= 2 * count


def test_named_ones_are_believed_and_nothing_runs_twice() -> None:
    calls: list[list[int]] = []

    def handle(items: list[int]) -> None:
        calls.append(items)
        raise BatchError({1: ValueError("no"), 3: DeadLetter("never")})

    assert outcomes(handle, numbers(4), Retry(max=3)) == ["Accept", "Release", "Accept", "Reject"]
    assert calls == [[0, 1, 2, 3]]


def test_a_word_of_the_handler_counts_for_all() -> None:
    def handle(items: list[int]) -> None:
        raise DeadLetter("all of them")

    assert outcomes(handle, numbers(3)) == ["Reject"] * 3


def test_what_cannot_be_read_fails_alone() -> None:
    seen: list[list[int]] = []
    assert outcomes(seen.append, [b"1", b"{", b"3"]) == ["Accept", "Reject", "Accept"]
    assert seen == [[1, 3]]


def test_what_a_call_sends_leaves_once_and_only_when_it_succeeds() -> None:
    def handle(items: list[int]) -> None:
        context = CURRENT.get()
        assert context is not None
        context.buffer.add([Send(Address("out"), Message(f"sent-{items}", b"1"))])
        if len(items) > 2 or 0 in items:
            raise ValueError("not these together")

    ended = run_batch(Pipeline("here"), batch_of(Lists(handle), numbers(4)))
    sent = [send.message.id for _job, settlement in ended for send in settlement.sends]
    assert sent == ["sent-[1]", "sent-[2, 3]"]
    assert [type(settlement.outcome) for _job, settlement in ended] == [Reject, Accept, Accept, Accept]


def test_what_was_cancelled_does_not_run() -> None:
    seen: list[list[int]] = []
    pipeline = Pipeline("here")
    pipeline.cancelled = frozenset({"id-1"})
    run_batch(pipeline, batch_of(Lists(seen.append), numbers(3)))
    assert seen == [[0, 2]]


def test_coroutines_too() -> None:
    async def handle(items: list[int]) -> None:
        await asyncio.sleep(0)
        if 2 in items:
            raise ValueError("two")

    ended = asyncio.run(run_batch_async(Pipeline("here"), batch_of(Lists(handle, Retry(max=1)), numbers(5))))
    assert [type(settlement.outcome) for _job, settlement in ended].count(Release) == 1
    assert len(ended) == 5


class TestGathering:
    def jobs(self, count: int, handler: Handler) -> list[Job]:
        return batch_of(handler, numbers(count)).jobs

    def test_a_full_batch_leaves_at_once_and_a_part_when_the_wait_is_over(self) -> None:
        async def run() -> list[int]:
            left: asyncio.Queue[list[Job]] = asyncio.Queue()
            gatherer = Gatherer(lambda handler, jobs: left.put_nowait(jobs))
            for job in self.jobs(7, Lists(print)):
                gatherer.add(job, Batch(3, 0.01))
            sizes = [len(each_of(left.get_nowait())) for _ in range(2)]
            return [*sizes, len(each_of(await asyncio.wait_for(left.get(), 5)))]

        assert asyncio.run(run()) == [3, 3, 1]

    def test_what_waits_can_be_taken_back(self) -> None:
        async def run() -> tuple[int, int]:
            left: list[list[Job]] = []
            gatherer = Gatherer(lambda handler, jobs: left.append(jobs))
            for job in self.jobs(2, Lists(print)):
                gatherer.add(job, Batch(3, 0.0))
            taken = len(gatherer.withdraw())
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            return taken, len(left)

        assert asyncio.run(run()) == (2, 0)


def test_halves_end_even_when_everything_fails() -> None:
    def handle(items: list[int]) -> None:
        raise RuntimeError("always")

    assert outcomes(handle, numbers(33)) == ["Reject"] * 33


@pytest.mark.parametrize("index", [-1, 9])
def test_an_index_outside_the_batch_is_an_error_of_the_handler(index: int) -> None:
    def handle(items: list[int]) -> None:
        raise BatchError({index: ValueError("who?")})

    assert outcomes(handle, numbers(3)) == ["Reject"] * 3

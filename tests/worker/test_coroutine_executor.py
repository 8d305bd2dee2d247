"""Coroutines: the limit holds, endings are answered, what waits can be withdrawn."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from postroad.core.outcome import Accept, Reject
from postroad.engine.pipeline import Pipeline
from postroad.worker.enginethread import LoopThread
from postroad.worker.executors import CoroutineExecutor

from .handlers import Endings, eventually, job_of
from .test_thread_executor import Noting


@pytest.fixture
def user_loop() -> Iterator[LoopThread]:
    thread = LoopThread("user-loop")
    yield thread
    thread.stop()


def started(user_loop: LoopThread, concurrency: int, slots: Noting, endings: Endings) -> CoroutineExecutor:
    executor = CoroutineExecutor(concurrency, Pipeline("here").run_async, user_loop.loop, slots, 10)
    executor.start(endings.done)
    return executor


def test_at_most_so_many_at_once(user_loop: LoopThread) -> None:
    now = most = 0

    async def counted() -> None:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.001)
        now -= 1

    slots, endings = Noting(), Endings()
    executor = started(user_loop, 7, slots, endings)
    executor.submit([job_of(counted) for _ in range(100)])
    settlements = endings.wait(100)
    assert most == 7
    assert all(isinstance(s.outcome, Accept) for s in settlements)
    eventually(lambda: not executor.busy and not slots.inside, "all slots free")
    assert len(slots.entered) == 100


def test_beside_others_it_asks_for_more_only_as_it_is_used(user_loop: LoopThread) -> None:
    go_on = asyncio.Event()

    async def waiting() -> None:
        await go_on.wait()

    slots, endings = Noting(), Endings()
    executor = CoroutineExecutor(20, Pipeline("here").run_async, user_loop.loop, slots, 0, shares=True)
    executor.start(endings.done)
    asked = []
    for _ in range(4):
        asked.append(executor.capacity)
        executor.submit([job_of(waiting) for _ in range(asked[-1] - len(slots.inside))])
        eventually(lambda: len(slots.inside) == asked[-1], "all began")
    assert asked == [4, 8, 16, 20]
    user_loop.loop.call_soon_threadsafe(go_on.set)
    endings.wait(20)
    eventually(lambda: executor.capacity == 4, "asks for little again")


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, MemoryError, asyncio.CancelledError, ValueError])
def test_no_error_ends_the_loop(error: type[BaseException], user_loop: LoopThread) -> None:
    async def bad() -> None:
        raise error

    async def good() -> None:
        return None

    endings = Endings()
    executor = started(user_loop, 2, Noting(), endings)
    executor.submit([job_of(bad)])
    (first,) = endings.wait(1)
    executor.submit([job_of(good)])
    assert isinstance(first.outcome, Reject)
    assert isinstance(endings.wait(2)[1].outcome, Accept)


def test_what_has_not_started_can_be_withdrawn(user_loop: LoopThread) -> None:
    entered = threading.Event()

    async def waiting() -> None:
        entered.set()
        await asyncio.sleep(30)

    endings = Endings()
    executor = started(user_loop, 1, Noting(), endings)
    first, *others = [job_of(waiting) for _ in range(3)]
    executor.submit([first, *others])
    assert entered.wait(10)
    assert executor.withdraw() == others
    executor.close(0.01)
    (cancelled,) = endings.wait(1)
    assert cancelled.delivery is first.delivery and not isinstance(cancelled.outcome, Accept)

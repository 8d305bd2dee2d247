"""Taking messages by hand: what is said of them, how the block is left, who dies with one in hand."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
import time
from typing import Any

import msgspec
import pytest
from tests.queues.conftest import Seen, until

from postroad import App, DeadLetter, Drop, Message, RetryLater, Send, errors
from postroad.core.message import Address


class Order(msgspec.Struct):
    id: int


def test_what_is_in_your_hands(app: App) -> None:
    q = app.queue("work", schema=Order, max_priority=9)
    id = q.put(Order(1), headers={"by": "me"}, key="k")
    with q.receive(timeout=5) as d:
        assert (d.body, d.id, d.headers, d.key, d.attempt) == (Order(1), id, {"by": "me"}, "k", 1)
        assert d.message.body == b'{"id":1}'
        assert app.inspect.queues()[0].in_flight == 1
    assert [(one.ready, one.in_flight) for one in app.inspect.queues()] == [(0, 0)]


def test_leaving_without_a_word_accepts(app: App) -> None:
    q = app.queue("work")
    q.put(1)
    with q.receive(timeout=5):
        pass
    with pytest.raises(errors.QueueEmpty, match=r"queue 'work' within 0 s"), q.receive(timeout=0):
        pass
    assert q.dead_letters.count() == 0


def test_accepting_is_durable_before_the_block_ends(app: App) -> None:
    q = app.queue("work")
    q.put(1)
    with pytest.raises(ValueError, match="afterwards"), q.receive(timeout=5) as d:
        d.accept()
        assert app.inspect.queues()[0].in_flight == 0
        raise ValueError("afterwards")
    assert q.depth() == 0


def test_an_exception_releases_and_the_fifth_time_is_the_last(app: App) -> None:
    q = app.queue("work")
    q.put(1)
    for attempt in range(1, 6):
        with pytest.raises(ValueError, match="no luck"), q.receive(timeout=5) as d:
            assert d.attempt == attempt
            raise ValueError("no luck")
    letter = q.dead_letters.peek()[0]
    assert (letter.error_type, letter.attempt, len(letter.history)) == ("ValueError", 5, 5)
    assert "no luck" in letter.history[0].traceback


def test_release_with_a_delay(app: App) -> None:
    q = app.queue("work")
    q.put(1)
    with q.receive(timeout=5) as d:
        d.release(delay=0.2)
    with pytest.raises(errors.QueueEmpty), q.receive(timeout=0):
        pass
    with q.receive(timeout=5) as d:
        assert d.attempt == 2
        d.release()
    with q.receive(timeout=5) as d:
        assert d.attempt == 3


def test_release_for_ever_is_not_for_ever(app: App) -> None:
    q = app.queue("work")
    q.put(1)
    for _ in range(5):
        with q.receive(timeout=5) as d:
            d.release()
    assert "retries are used up" in q.dead_letters.peek()[0].reason


def test_reject(app: App) -> None:
    q = app.queue("work")
    q.put(1)
    with q.receive(timeout=5) as d:
        d.reject("not for us")
    assert [(letter.reason, letter.message.body) for letter in q.dead_letters.peek()] == [("not for us", b"1")]


def test_the_signals_of_handlers_mean_the_same_here(app: App) -> None:
    q = app.queue("work")
    q.put_many([1, 2, 3])
    for signalled in (DeadLetter("bad address"), Drop("seen it"), RetryLater(after=0)):
        with q.receive(timeout=5):
            raise signalled
    with q.receive(timeout=5) as d:
        assert (d.body, d.attempt) == (3, 2)
    assert [letter.reason for letter in q.dead_letters.peek()] == ["bad address"]


def test_an_interruption_is_no_fault_of_the_message(app: App) -> None:
    q = app.queue("work")
    q.put(1)
    with pytest.raises(KeyboardInterrupt), q.receive(timeout=5):
        raise KeyboardInterrupt
    with q.receive(timeout=5) as d:
        assert d.attempt == 1


def test_a_word_is_said_once(app: App) -> None:
    q = app.queue("work")
    q.put(1)
    with q.receive(timeout=5) as d:
        d.accept()
        for again in (d.accept, d.release, lambda: d.reject("no")):
            with pytest.raises(errors.UsageError, match="settled already"):
                again()


def test_a_body_that_cannot_be_read(app: App) -> None:
    q = app.queue("work", schema=Order)
    q.put(b'{"id": 1}')  # type: ignore[arg-type]
    with q.receive(timeout=5) as d:
        assert d.body == Order(1), "JSON made elsewhere, given as bytes"
    message = Message("foreign", b"{", queued_at=time.time())
    app.route.outbound.send([Send(Address("work"), message)], "test", "test")
    with pytest.raises(errors.Undecodable, match="queue of 'work'"), q.receive(timeout=5) as d:
        assert d.body
    letter = q.dead_letters.peek()[0]
    assert (letter.attempt, letter.message.body) == (1, b"{")


def test_what_is_sent_inside_leaves_at_once(app: App) -> None:
    q, other = app.queue("work"), app.queue("other")
    q.put(1)
    with pytest.raises(ValueError, match="later"), q.receive(timeout=5):
        other.put(2)
        assert other.depth() == 1
        raise ValueError("later")
    assert other.depth() == 1


async def test_awaited(app: App) -> None:
    q = app.queue("work")
    await q.aput_many([1, 2, 3, 4])
    async with q.receive(timeout=5) as d:
        assert d.body == 1
    async with q.receive(timeout=5) as d:
        d.reject("no")
    with pytest.raises(ValueError, match="x"):
        async with q.receive(timeout=5) as d:
            raise ValueError("x")
    async with q.receive(timeout=5) as d:
        assert (d.body, d.attempt) == (3, 2)
        d.release(delay=60)
    with pytest.raises(errors.BlockingCallOnLoop, match=r"async with q\.receive"), q.receive():
        pass
    async with q.receive() as d:
        assert d.body == 4
    assert [letter.reason for letter in await q.dead_letters.apeek()] == ["no"]


async def test_a_wait_that_is_cancelled_loses_nothing(app: App) -> None:
    q = app.queue("work")

    async def take() -> Any:
        async with q.receive() as d:
            return d.body

    waiting = asyncio.create_task(take())
    await asyncio.sleep(0.05)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await q.aput(1)
    assert await asyncio.wait_for(take(), 5) == 1


async def test_waits_that_are_cancelled_at_any_moment_lose_nothing(app: App) -> None:
    q, numbers, got = app.queue("work"), range(60), list[int]()
    dice = random.Random(5)

    async def take() -> None:
        while len(got) < len(numbers):
            try:
                async with asyncio.timeout(dice.random() * 0.02), q.receive(timeout=dice.choice([0, 0.01, 5])) as d:
                    await asyncio.sleep(dice.random() * 0.002)
                    d.accept()
                    got.append(d.body)
            except (errors.QueueEmpty, TimeoutError):
                continue

    async def put() -> None:
        for number in numbers:
            await q.aput(number)

    await asyncio.wait_for(asyncio.gather(put(), *(take() for _ in range(20))), 30)
    assert sorted(got) == list(numbers)
    await until_awaited(lambda: asyncio.to_thread(in_flight, app))


async def until_awaited(count: Any) -> None:
    async with asyncio.timeout(10):
        while await count():
            pass


def in_flight(app: App) -> int:
    return sum(one.in_flight for one in app.inspect.queues())


def test_a_wait_ends_when_a_message_comes(app: App) -> None:
    q = app.queue("work")
    timer = threading.Timer(0.1, q.put, args=(1,))
    timer.start()
    began = time.monotonic()
    with q.receive(timeout=10) as d:
        assert d.body == 1
    assert time.monotonic() - began < 5


def test_several_threads_take_each_message_once(file_app: App, seen: Seen) -> None:
    q = file_app.queue("work")
    q.put_many(range(60))

    def take() -> None:
        try:
            while True:
                with q.receive(timeout=0.5) as d:
                    seen(d.body)
        except errors.QueueEmpty:
            return

    threads = [threading.Thread(target=take) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(seen.all) == list(range(60))
    assert q.depth() == 0


def test_the_order_of_a_key_holds_by_hand_too(app: App) -> None:
    q = app.queue("work")
    q.put_many([1, 2], key="k")
    q.put(3)
    with q.receive(timeout=5) as first, q.receive(timeout=5) as other:
        assert (first.body, other.body) == (1, 3)
        with pytest.raises(errors.QueueEmpty), q.receive(timeout=0.05):
            pass
    with q.receive(timeout=5) as d:
        assert d.body == 2


def test_priorities_and_expiry_by_hand(app: App) -> None:
    q = app.queue("work", max_priority=9)
    q.put(0, expires=0.01)
    q.put(1)
    q.put(2, priority=9)
    until(lambda: any(one.message.expires_at and one.message.expires_at < time.time() for one in q.peek()))
    with q.receive(timeout=5) as first, q.receive(timeout=5) as second:
        assert (first.body, second.body) == (2, 1)
    assert until(lambda: q.dead_letters.peek())[0].error_type == "Expired"


def test_closing_gives_back_what_is_held(file_app: App) -> None:
    q = file_app.queue("work")
    q.put(1)
    with pytest.raises(errors.DeliveryLost, match="closed"), q.receive(timeout=5):
        file_app.close()
    with file_app, q.receive(timeout=5) as d:
        assert (d.body, d.attempt) == (1, 1)


def test_a_worker_and_hands_share_a_queue(file_app: App, seen: Seen) -> None:
    q = file_app.queue("work")

    @q.consumer(prefetch=1)
    def handle(body: int) -> None:
        seen(body)

    with file_app.worker(threads=1):
        for number in range(20):
            q.put(number)
            try:
                with q.receive(timeout=0) as d:
                    seen(d.body)
            except errors.QueueEmpty:
                continue
        seen.wait(20)
    assert sorted(seen.all) == list(range(20))


HOLDER = """
import os, sys, time
from postroad import App
app = App({url!r})
q = app.queue("work")
with q.receive(timeout=20) as d:
    print(d.body, d.attempt, flush=True)
    {then}
"""


def holder(url: str, then: str = "time.sleep(60)") -> subprocess.Popen[str]:
    code = textwrap.dedent(HOLDER).format(url=url, then=then)
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)


def line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_a_process_that_dies_with_a_message_is_noticed_at_once_and_charged(file_app: App, url: str) -> None:
    q = file_app.queue("work")
    q.put(1)
    with holder(url) as process:
        assert line_of(process) == "1 1"
        with pytest.raises(errors.QueueEmpty), q.receive(timeout=0.1):
            pass
        process.send_signal(signal.SIGKILL)
        process.wait(10)
        began = time.monotonic()
        with q.receive(timeout=20) as d:
            assert (d.body, d.attempt) == (1, 1)
            assert [attempt.kind for attempt in d.job.delivery.history] == ["crash"]
            assert d.job.delivery.suspect
        assert time.monotonic() - began < 5


def test_a_message_that_kills_whoever_takes_it_ends_as_a_dead_letter(file_app: App, url: str) -> None:
    q = file_app.queue("work")
    q.put(1)
    for _ in range(5):
        with holder(url, "os._exit(1)") as process:
            assert line_of(process) == "1 1"
            process.wait(20)
    with pytest.raises(errors.QueueEmpty), q.receive(timeout=2):
        pass
    letter = q.dead_letters.peek()[0]
    assert "its process died in 5 of 5 starts" in letter.reason
    assert letter.crashes == 5


def test_a_fork_holds_nothing_of_its_parents(file_app: App) -> None:
    q = file_app.queue("work")
    q.put_many([1, 2])
    with q.receive(timeout=5) as d:
        child = os.fork()
        if not child:
            try:
                with q.receive(timeout=5) as other:
                    os._exit(0 if other.body == 2 else 1)
            except BaseException:
                os._exit(2)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert d.body == 1
    with q.receive(timeout=10) as d:
        assert d.body == 2, "the child ended without a word"


def test_closing_the_app_ends_a_wait(app: App) -> None:
    q = app.queue("work")
    met: list[BaseException] = []

    def take() -> None:
        try:
            with q.receive():
                pass
        except errors.PostroadError as error:
            met.append(error)

    thread = threading.Thread(target=take)
    thread.start()
    until(lambda: app.connection.puller is not None and "work" in app.connection.puller.taps and app.connection.puller.taps["work"].takers)
    app.close()
    thread.join(10)
    assert isinstance(met[0], errors.Closed)

"""Handlers on this engine: what the broker-blind consumer makes of deliveries, from the first start to the last word."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, cast

from postroad.core.delivery import Delivery
from postroad.core.message import Message
from postroad.core.retry import ErrorRoutes, Retry
from postroad.core.writes import Put, Write
from postroad.engine.consumer import ConsumerLoop
from postroad.engine.context import CURRENT
from postroad.engine.handler import Ending, HandlerBase
from postroad.engine.pipeline import Pipeline
from postroad.errors import Undecodable
from postroad.ports.driver import DeadLetterFilter, Driver, Subscription
from postroad.ports.store import Store
from postroad.testing.conformance.check import promise
from postroad.testing.conformance.desk import DEADLINE_S, Desk, bodies, message, numbered, send, sit
from postroad.testing.conformance.engine import FOLLOWERS, QUEUE, Engine
from postroad.testing.conformance.starts import crash
from postroad.worker.executors import ThreadExecutor
from postroad.worker.slots import NoSlots

check = promise("handling")

NAME = "postroad-task"
SLOW_S = 0.02


class Watched(HandlerBase):
    """A handler that is watched: how many of it run at once, and how each run ended."""

    executor = "thread"

    def __init__(
        self,
        act: Callable[[int], Any] = lambda number: None,
        *,
        retry: Retry | None = None,
        routes: ErrorRoutes | None = None,
        max_deliveries: int = 5,
    ) -> None:
        self.name = "watched"
        self.act = act
        self.retry = retry
        self.routes = routes or {}
        self.max_deliveries = max_deliveries
        self.lock = threading.Lock()
        self.running: list[int] = []
        self.started: list[int] = []
        self.most_at_once = 0
        self.endings: list[tuple[int, str]] = []

    def function(self, number: int) -> Any:
        with self.lock:
            self.started.append(number)
            self.running.append(number)
            self.most_at_once = max(self.most_at_once, len(self.running))
        try:
            return self.act(number)
        finally:
            with self.lock:
                self.running.remove(number)

    def decode(self, message: Message) -> tuple[tuple[Any, ...], dict[str, Any]]:
        if not message.body.isdigit():
            raise Undecodable("no number")
        return (int(message.body),), {}

    def writes(self, delivery: Delivery, ending: Ending) -> tuple[Write, ...]:
        body = delivery.message.body
        self.endings.append((int(body) if body.isdigit() else -1, ending.state))
        return (Put("state", delivery.message.id, "{}", ending.state),)


@asynccontextmanager
async def at_work(
    driver: Driver, handlers: Mapping[str, Watched], threads: int = 2, unknown_grace_s: float = 300.0
) -> AsyncIterator[ConsumerLoop]:
    """A consumer of the queue with a pool of threads; stopped at the end, unless it was before."""
    pipeline = Pipeline("suite")
    executor = ThreadExecutor(threads, pipeline.run, NoSlots(), 0)
    loop = ConsumerLoop(
        driver,
        Subscription((QUEUE,), "suite"),
        lambda delivery: handlers.get(delivery.message.headers.get(NAME, "")),
        pipeline,
        {"thread": executor},
        known=lambda: tuple(handlers),
        unknown_grace_s=unknown_grace_s,
        store=cast(Store, driver),
    )
    await loop.start()
    try:
        yield loop
    finally:
        if not loop.stopping:
            await loop.stop(DEADLINE_S)
        await asyncio.to_thread(executor.close, DEADLINE_S)


async def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not holds():
        assert time.monotonic() < deadline, "it did not come to pass"
        await asyncio.sleep(0.002)


async def handled(desk: Desk, handler: Watched, threads: int = 2) -> None:
    """Let it handle until the queue is empty."""
    async with at_work(desk.driver, {"": handler}, threads):
        await emptied(desk)


async def emptied(desk: Desk) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while True:
        depth = await desk.depth()
        if not depth.ready + depth.delayed + depth.in_flight:
            return
        assert time.monotonic() < deadline, depth
        await asyncio.sleep(0.005)


async def reasons(desk: Desk) -> list[str]:
    return [letter.reason for letter in await desk.looking.dead_letters(DeadLetterFilter(), 100)]


@check("looking", "atomic")
async def every_message_is_handled_once_and_its_end_is_kept(engine: Engine) -> None:
    handler = Watched()
    async with sit(engine) as desk:
        sent = numbered(200)
        await desk.send(*sent)
        await handled(desk, handler, threads=4)
        assert sorted(handler.started) == list(range(200))
        documents = await desk.documents("state", *(each.id for each in sent))
        assert {document.tag for document in documents.values()} == {"SUCCEEDED"}
        assert len(documents) == 200
        await desk.empty()


@check("looking", "atomic")
async def what_has_expired_is_not_started(engine: Engine) -> None:
    handler = Watched()
    async with sit(engine) as desk:
        now = time.time()
        await desk.send(message(b"0", expires_at=now - 1), message(b"1", expires_at=now + 60), message(b"2"))
        await handled(desk, handler)
        assert sorted(handler.started) == [1, 2]
        assert (0, "EXPIRED") in handler.endings
        await desk.empty()


@check("looking", "delay")
async def what_expires_while_it_waits_for_its_retry_is_not_started_again(engine: Engine) -> None:
    def fail(number: int) -> None:
        raise OSError("no")

    handler = Watched(fail, retry=Retry(max=9, base=0.4, jitter=False))
    async with sit(engine) as desk:
        await desk.send(message(b"0", expires_at=time.time() + 0.3))
        await handled(desk, handler)
        assert [state for _number, state in handler.endings] == ["RETRYING", "EXPIRED"]


def sender(number: int) -> None:
    """Sends one follow-up, through the buffer of the run."""
    context = CURRENT.get()
    assert context is not None
    context.buffer.add([send(message(b"%d" % number), FOLLOWERS)])


@check("looking", "atomic", "release")
async def a_handler_that_fails_sends_nothing(engine: Engine) -> None:
    runs: list[int] = []

    def act(number: int) -> None:
        sender(number)
        runs.append(number)
        if len(runs) < 3:
            raise OSError("no")

    handler = Watched(act, retry=Retry(max=5, base=0.01))
    async with sit(engine) as desk:
        await desk.send(message(b"7"))
        await handled(desk, handler)
        assert runs == [7, 7, 7]
        assert [state for _number, state in handler.endings] == ["RETRYING", "RETRYING", "SUCCEEDED"]
        assert (await desk.depth(FOLLOWERS)).ready == 1


@check("looking", "atomic", "dead letters")
async def a_send_that_is_refused_fails_the_attempt_and_none_leaves(engine: Engine) -> None:
    def act(number: int) -> None:
        sender(number)
        context = CURRENT.get()
        assert context is not None
        context.buffer.add([send(message(), "nowhere")])

    async with sit(engine) as desk:
        await desk.send(message(b"7"))
        await handled(desk, Watched(act))
        assert (await desk.depth(FOLLOWERS)).ready == 0
        (reason,) = await reasons(desk)
        assert "nowhere" in reason


@check("looking", "dead letters", "release")
async def retries_that_are_used_up_end_in_a_dead_letter_that_tells_all(engine: Engine) -> None:
    def fail(number: int) -> None:
        raise OSError(f"no {number}")

    handler = Watched(fail, retry=Retry(max=2, base=0.01))
    async with sit(engine) as desk:
        await desk.send(message(b"7"))
        await handled(desk, handler)
        (letter,) = await desk.looking.dead_letters(DeadLetterFilter(), 10)
        assert handler.started == [7, 7, 7]
        assert (letter.attempt, letter.error_type, len(letter.history)) == (3, "OSError", 3)
        assert all("no 7" in attempt.traceback for attempt in letter.history)


@check("looking", "dead letters")
async def what_cannot_be_read_is_a_dead_letter_at_once(engine: Engine) -> None:
    handler = Watched(retry=Retry(max=9))
    async with sit(engine) as desk:
        await desk.send(message(b"\xff"), message(b"1"))
        await handled(desk, handler)
        assert handler.started == [1]
        assert ["no number" in reason for reason in await reasons(desk)] == [True]


@check("looking", "dead letters", "delay")
async def a_message_nobody_knows_is_kept_a_while_and_then_a_dead_letter(engine: Engine) -> None:
    async with sit(engine) as desk:
        await desk.send(message(b"1", headers={NAME: "shop.resise"}))
        async with at_work(desk.driver, {"shop.resize": Watched()}, unknown_grace_s=0.1):
            await emptied(desk)
        (reason,) = await reasons(desk)
        assert "shop.resise" in reason and "did you mean 'shop.resize'" in reason


@check("looking", "delay")
async def a_message_nobody_knew_is_handled_when_somebody_does(engine: Engine) -> None:
    handlers: dict[str, Watched] = {}
    handler = Watched()
    async with sit(engine) as desk:
        await desk.send(message(b"1", headers={NAME: "new"}))
        async with at_work(desk.driver, handlers):
            await until_delayed(desk)
            handlers["new"] = handler
            await emptied(desk)
        assert handler.started == [1]
        assert handler.endings == [(1, "SUCCEEDED")]


async def until_delayed(desk: Desk) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not (await desk.depth()).delayed:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.005)


@check("looking", "uncounted")
async def a_drain_finishes_what_runs_and_gives_back_the_rest(engine: Engine) -> None:
    gate = threading.Event()
    handler = Watched(lambda number: gate.wait(DEADLINE_S))
    async with sit(engine) as desk:
        await desk.send(*numbered(20))
        async with at_work(desk.driver, {"": handler}) as loop:
            await until(lambda: len(handler.running) == 2)
            stopping = asyncio.ensure_future(loop.stop(DEADLINE_S))
            await asyncio.sleep(0)
            gate.set()
            await stopping
        assert sorted(handler.started) == [0, 1]
        assert {state for _number, state in handler.endings} == {"SUCCEEDED"}
        again = await desk.take(18)
        assert bodies(again) == list(range(2, 20))
        assert {(each.attempt, each.crashes) for each in again} == {(1, 0)}


@check("looking", "uncounted")
async def a_drain_that_is_late_gives_back_what_still_runs_and_its_end_is_void(engine: Engine) -> None:
    gate = threading.Event()

    def act(number: int) -> None:
        gate.wait(DEADLINE_S)
        sender(number)

    handler = Watched(act)
    async with sit(engine) as desk:
        await desk.send(*numbered(3))
        async with at_work(desk.driver, {"": handler}) as loop:
            await until(lambda: len(handler.running) == 2)
            assert await loop.stop(0.05) >= 2
            again = await desk.take(3)
            gate.set()
            await until(lambda: len(handler.endings) == 2)
        assert {(each.attempt, each.crashes) for each in again} == {(1, 0)}
        assert (await desk.depth(FOLLOWERS)).ready == 0
        await desk.end(*again)
        await desk.empty()


@check("looking", "operating")
async def a_cancelled_message_that_is_held_is_not_started(engine: Engine) -> None:
    gate = threading.Event()
    handler = Watched(lambda number: gate.wait(DEADLINE_S))
    async with sit(engine) as desk:
        sent = numbered(3, track=True)
        await desk.send(*sent)
        async with at_work(desk.driver, {"": handler}, threads=1) as loop:
            await until(lambda: handler.running == [0])
            await desk.operating.cancel([sent[1].id], "why")
            await until(lambda: sent[1].id in loop.pipeline.cancelled or loop.in_flight < 2)
            gate.set()
            await emptied(desk)
        assert handler.started == [0, 2]
        assert (await desk.looking.count_dead(DeadLetterFilter())) == 0


@check("looking", "lanes")
async def one_key_never_runs_twice_at_once_and_keeps_its_order(engine: Engine) -> None:
    overlaps: list[int] = []
    running: set[int] = set()

    def act(number: int) -> None:
        lane = number % 3
        if lane in running:
            overlaps.append(number)
        running.add(lane)
        time.sleep(SLOW_S / 10)
        running.discard(lane)

    handler = Watched(act)
    async with sit(engine) as desk:
        await desk.send(*[message(b"%d" % n, key=f"k{n % 3}") for n in range(90)])
        await handled(desk, handler, threads=6)
        assert not overlaps
        for lane in range(3):
            assert [number for number in handler.started if number % 3 == lane] == list(range(lane, 90, 3))


@check("looking", "starts", "processes")
async def a_suspect_runs_alone(engine: Engine) -> None:
    beside: list[list[int]] = []

    def act(number: int) -> None:
        if number == 0:
            time.sleep(SLOW_S)
            beside.append(list(handler.running))
        else:
            time.sleep(SLOW_S / 5)

    handler = Watched(act)
    async with sit(engine) as desk:
        await desk.send(message(b"0"))
        assert await crash(engine, desk, limit=1, running=1) == 1
        await desk.send(*numbered(30)[1:])
        await handled(desk, handler, threads=4)
        assert sorted(handler.started) == list(range(30))
        assert beside == [[0]]
        assert handler.most_at_once > 1
        await desk.empty()


@check("looking", "starts", "processes", "dead letters")
async def who_crashes_too_often_is_convicted_and_nobody_else(engine: Engine) -> None:
    handler = Watched(max_deliveries=2)
    async with sit(engine) as desk:
        await desk.send(*numbered(4))
        assert await crash(engine, desk, limit=4, running=1) == 4
        assert await crash(engine, desk, "hold suspect") == 1
        await handled(desk, handler)
        assert sorted(handler.started) == [1, 2, 3]
        (letter,) = await desk.looking.dead_letters(DeadLetterFilter(), 10)
        assert (letter.message.body, letter.crashes) == (b"0", 2)
        assert "max_deliveries=2" in letter.reason

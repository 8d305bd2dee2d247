"""A message taken by hand, and the block that holds it."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable
from concurrent.futures import Future
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from postroad.core.delivery import Delivery
from postroad.core.durations import Duration
from postroad.core.message import Message
from postroad.core.outcome import Release, Settlement, SettlementFailure
from postroad.core.retry import ErrorRoutes, Retry
from postroad.engine.admission import Admission
from postroad.engine.handler import Job
from postroad.engine.pipeline import Pipeline
from postroad.engine.portal import PORTAL, on_loop
from postroad.engine.puller import Puller
from postroad.engine.records import MessageHandlerBase
from postroad.errors import DeadLetter, DeliveryLost, HandlerSignal, QueueEmpty, RetryLater, UsageError

if TYPE_CHECKING:
    from postroad.queues.queue import MessageQueue

T = TypeVar("T")

logger = logging.getLogger("postroad.receive")

ATTEMPTS_MAX = 5
RETRY = Retry(max=ATTEMPTS_MAX - 1, base=0.0, jitter=False)


class PullHandler(MessageHandlerBase):
    """What the engine must know of a block that takes messages by hand: five attempts, five crashes."""

    batch = None
    executor = "thread"
    max_deliveries = ATTEMPTS_MAX
    retry = RETRY

    def __init__(self, queue: str) -> None:
        self.name = f"receive from {queue}"
        self.routes: ErrorRoutes = {}

    def function(self) -> None:
        """The block itself is the handler."""

    def decode(self, message: Message) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Never asked: `Received.body` decodes."""
        return (message,), {}


class Pulling:
    """How the messages of one queue are taken by hand, and how they end."""

    def __init__(self, queue: str, read: Callable[[Message], Any]) -> None:
        handler = PullHandler(queue)
        self.read = read
        self.pipeline = Pipeline(f"{os.uname().nodename}:{os.getpid()}")
        self.admission = Admission(lambda delivery: handler, self.pipeline, tuple, 0.0, None)

    def admit(self, delivery: Delivery) -> Job | Settlement:
        """A job, or the end of what is expired or convicted."""
        return self.admission.admit(delivery, time.time())

    def ending(self, job: Job, error: BaseException | None) -> Settlement:
        """As of a handler that returned, or raised this. What interrupts the process is no fault of the message."""
        if error is None:
            return self.pipeline.ended_well(job, ())
        if isinstance(error, Exception):
            return self.pipeline.failed(job, error)
        return Settlement(job.delivery, Release())


class Received(Generic[T]):
    """A message in your hands. What it is to become is said once: by a word, or by how the block is left."""

    def __init__(self, pulling: Pulling, puller: Puller, job: Job) -> None:
        self.pulling = pulling
        self.puller = puller
        self.job = job
        self.settled: Future[None] | asyncio.Future[None] | None = None

    @property
    def message(self) -> Message:
        """The envelope, with the body as it came."""
        return self.job.delivery.message

    @cached_property
    def body(self) -> T:
        """By the queue's schema, else JSON where the message says that it is JSON, else bytes. Raises Undecodable."""
        body: T = self.pulling.read(self.message)
        return body

    @property
    def id(self) -> str:
        """The message's id."""
        return self.message.id

    @property
    def headers(self) -> dict[str, str]:
        """The message's headers."""
        return self.message.headers

    @property
    def key(self) -> str | None:
        """The message's key, in whose order it comes."""
        return self.message.key

    @property
    def attempt(self) -> int:
        """1 for the first; each release counts."""
        return self.job.delivery.attempt

    def accept(self) -> None:
        """Done: it leaves the queue, durably when this returns (in ``async with``, when the block is left)."""
        self.say(None)

    def release(self, delay: Duration = 0) -> None:
        """Back to the queue, not to be taken before ``delay``. It counts: after five attempts it is a dead letter."""
        self.say(RetryLater(delay))

    def reject(self, why: str = "rejected by its receiver") -> None:
        """To the dead letters."""
        self.say(DeadLetter(why))

    def say(self, error: BaseException | None) -> None:
        if self.settled is not None:
            raise UsageError(f"Message {self.id} was settled already: accept(), release() and reject() are said once.")
        if asyncio._get_running_loop() is not None:
            self.settled = PORTAL.begin(self.settle(error))
            return
        self.settled = PORTAL.submit(self.settle(error))
        self.wait(self.settled)

    def wait(self, settled: Future[None]) -> None:
        """What the engine could not take may be said again."""
        try:
            settled.result()
        except DeliveryLost:
            raise
        except Exception:
            self.settled = None
            raise

    async def settle(self, error: BaseException | None) -> None:
        """As a handler would end that raised this. On the portal's loop. Raises DeliveryLost."""
        await self.end(self.pulling.ending(self.job, error))

    async def give_back(self) -> None:
        """Nobody has it: its taker was interrupted. On the portal's loop."""
        await self.end(Settlement(self.job.delivery, Release()))

    async def end(self, settlement: Settlement) -> None:
        failure = await self.puller.settle(settlement)
        if failure is not None:
            raise lost(failure)

    def left(self, error: BaseException | None) -> None:
        """The block is left: what was said has happened, or what leaving so means."""
        if self.settled is None:
            self.settled = PORTAL.submit(self.settle(error))
        if isinstance(self.settled, Future):
            self.settled.result()

    async def left_awaited(self, error: BaseException | None) -> None:
        """`left`, awaited; who is cancelled meanwhile does not cancel it."""
        if self.settled is None:
            self.settled = PORTAL.begin(self.settle(error))
        settled = self.settled
        await asyncio.shield(asyncio.wrap_future(settled) if isinstance(settled, Future) else settled)

    def __repr__(self) -> str:
        return f"<Received {self.id} from {self.job.delivery.source}, attempt {self.attempt}>"


def lost(failure: SettlementFailure) -> DeliveryLost:
    delivery = failure.settlement.delivery
    return DeliveryLost(f"Message {delivery.message.id} of queue {delivery.source!r} was held no longer: {failure.reason}.")


class Receiving(Generic[T]):
    """What ``q.receive()`` answers: a block for one message, ``with`` or ``async with``."""

    def __init__(self, queue: MessageQueue[T], timeout_s: float | None) -> None:
        self.queue = queue
        self.timeout_s = timeout_s
        self.taking = Taking(queue, timeout_s)

    def __enter__(self) -> Received[T]:
        if asyncio._get_running_loop() is not None:
            raise on_loop("with q.receive()", "async with q.receive(...) as d: ...")
        self.taking = taking = Taking(self.queue, self.timeout_s)
        try:
            return PORTAL.submit(taking.take()).result()
        except (KeyboardInterrupt, SystemExit):
            PORTAL.submit(taking.abandon())
            raise

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> bool:
        try:
            self.taking.mine.left(error)
        except Exception as refused:
            refuse_unless_failing(error, refused)
        return isinstance(error, HandlerSignal)

    async def __aenter__(self) -> Received[T]:
        self.taking = taking = Taking(self.queue, self.timeout_s)
        waiting = PORTAL.begin(taking.take())
        try:
            return await asyncio.shield(waiting)
        except asyncio.CancelledError:
            for unwanted in (waiting, PORTAL.begin(taking.abandon())):
                unwanted.add_done_callback(unheard)
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        try:
            await self.taking.mine.left_awaited(error)
        except Exception as refused:
            refuse_unless_failing(error, refused)
        return isinstance(error, HandlerSignal)


class Taking(Generic[T]):
    """One wait for one message, on the portal's loop. Whoever waits may be interrupted at any moment: then it goes back."""

    def __init__(self, queue: MessageQueue[T], timeout_s: float | None) -> None:
        self.queue = queue
        self.timeout_s = timeout_s
        self.task: asyncio.Task[object] | None = None
        self.received: Received[T] | None = None
        self.abandoned = False

    async def take(self) -> Received[T]:
        """Raises QueueEmpty, NotFound, QueueExclusive."""
        self.task = asyncio.current_task()
        if self.abandoned:
            raise asyncio.CancelledError
        queue = self.queue
        owner, pulling = queue.taken_by_hand()
        puller = await owner.connection.pulling()
        job = await puller.take(queue.name, self.timeout_s, pulling.admit)
        if job is None:
            raise QueueEmpty(f"No message came to queue {queue.name!r} within {self.timeout_s:g} s.")
        self.received = Received(pulling, puller, job)
        return self.received

    async def abandon(self) -> None:
        """Nobody waits any more."""
        self.abandoned = True
        if self.received is not None:
            await self.received.give_back()
        elif self.task is not None:
            self.task.cancel()

    @property
    def mine(self) -> Received[T]:
        assert self.received is not None
        return self.received


def unheard(done: asyncio.Future[Any]) -> None:
    """Whatever it ends with, nobody is there to be told."""
    if not done.cancelled():
        done.exception()


def refuse_unless_failing(own: BaseException | None, error: Exception) -> None:
    """``error`` is the settlement's; the block's own goes first."""
    if own is None or isinstance(own, HandlerSignal):
        raise error
    if own is not error:
        logger.warning("the message could not be settled, either", exc_info=error)

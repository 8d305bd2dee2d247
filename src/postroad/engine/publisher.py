"""Sending, from anywhere: into the handler's buffer, or to the engine, blocking or awaited."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol

from postroad.core.message import Receipt, Refused, Send
from postroad.engine.backpressure import Answers, Patience, blocked, chosen, replaced
from postroad.engine.context import CURRENT, HandlerContext
from postroad.engine.portal import PORTAL, refuse_on_loop
from postroad.errors import QueueFull, SendRefused, SentAtImport, Unroutable
from postroad.ports.driver import Driver, PublishesFromThreads

IMPORTING: ContextVar[str] = ContextVar("postroad_importing", default="")
"""The module being imported by discovery; "" otherwise."""


class Connection(Protocol):
    """Where the driver comes from. ``ready``: the open driver, its topology applied; None before the first use.

    ``direct``: the same driver when it takes batches from any thread, else None.
    """

    ready: Driver | None
    direct: PublishesFromThreads | None

    async def ensure(self) -> Driver:
        """Open it and apply the topology, once. On the portal's loop."""


class Publisher:
    """One app's way to its engine. ``durability``: "full" or "relaxed"."""

    __slots__ = ("connection", "durability")

    def __init__(self, connection: Connection, durability: str = "full") -> None:
        self.connection = connection
        self.durability = durability

    def send(
        self,
        sends: list[Send],
        verb: str,
        line: str,
        now: bool = False,
        timeout_s: float | None = None,
        durability: str | None = None,
    ) -> Sequence[Receipt]:
        """Durable when it returns; inside a handler, buffered until its outcome, unless ``now``.

        ``verb`` and ``line`` name the blocking call and its awaited twin, for who calls it on a running loop.
        ``timeout_s``: how long to wait for room in a bounded queue that blocks; None: as long as it takes.
        Raises QueueFull or Unroutable for the first message the engine refused.
        """
        buffer = CURRENT.get()
        if buffer is not None and not now and not buffer.send_now:
            return keep(buffer, sends)
        refuse_on_loop(verb, line)
        answers = self.perform(sends, durability)
        return accepted(self.insist(sends, answers, timeout_s, durability) if blocked(answers) else answers)

    async def asend(
        self, sends: list[Send], now: bool = False, timeout_s: float | None = None, durability: str | None = None
    ) -> Sequence[Receipt]:
        """`send`, awaited."""
        buffer = CURRENT.get()
        if buffer is not None and not now and not buffer.send_now:
            return keep(buffer, sends)
        if self.connection.ready is None:
            refuse_at_import()
            await PORTAL.wait(self.connection.ensure())
        answers = await asyncio.wrap_future(self.submit(sends, durability))
        return accepted(await self.ainsist(sends, answers, timeout_s, durability) if blocked(answers) else answers)

    def perform(self, sends: list[Send], durability: str | None = None) -> Answers:
        """Blocking, past any handler's buffer: in this very thread where the engine allows it."""
        direct = self.connection.direct
        if direct is None or IMPORTING.get():
            return self.submit(sends, durability).result()
        return direct.publish_wait(sends, durability=durability or self.durability)

    def submit(self, sends: list[Send], durability: str | None = None) -> Future[Answers]:
        """Hand over, past any handler's buffer; the Future is answered when they are durable, or refused, or blocked."""
        refuse_at_import()
        driver = self.connection.ready or PORTAL.run(self.connection.ensure())
        direct = self.connection.direct
        if direct is not None:
            return direct.publish_future(sends, durability=durability or self.durability)
        return PORTAL.submit(publish(driver, sends, durability or self.durability))

    def insist(
        self, sends: list[Send], answers: Answers, timeout_s: float | None = None, durability: str | None = None
    ) -> Answers:
        """Send what found a full queue again, until it is taken or the time is over."""
        patience = Patience(timeout_s)
        while waiting := blocked(answers):
            rest_s = patience.next_rest_s()
            if rest_s is None:
                return patience.exhausted(answers)
            time.sleep(rest_s)
            answers = replaced(answers, waiting, self.perform(chosen(sends, waiting), durability))
        return answers

    async def ainsist(
        self, sends: list[Send], answers: Answers, timeout_s: float | None = None, durability: str | None = None
    ) -> Answers:
        """`insist`, awaited."""
        patience = Patience(timeout_s)
        while waiting := blocked(answers):
            rest_s = patience.next_rest_s()
            if rest_s is None:
                return patience.exhausted(answers)
            await asyncio.sleep(rest_s)
            again = await asyncio.wrap_future(self.submit(chosen(sends, waiting), durability))
            answers = replaced(answers, waiting, again)
        return answers


async def publish(driver: Driver, sends: Sequence[Send], durability: str) -> Answers:
    return await driver.publish(sends, durability=durability)


def keep(context: HandlerContext, sends: list[Send]) -> Sequence[Receipt]:
    context.buffer.add(sends)
    return [Receipt(send.message.id) for send in sends]


def accepted(answers: Answers) -> Sequence[Receipt]:
    """The receipts. Raises for the first refusal; the note says how many of the batch the engine kept."""
    refused = [answer for answer in answers if isinstance(answer, Refused)]
    if refused:
        error = refusal(refused[0])
        if len(answers) > 1:
            error.add_note(f"Of {len(answers):,} messages, {len(answers) - len(refused):,} were accepted and {len(refused):,} refused.")
        raise error
    return [answer for answer in answers if isinstance(answer, Receipt)]


def refusal(refused: Refused) -> SendRefused:
    kind = Unroutable if refused.kind == "unroutable" else QueueFull
    return kind(f"The engine refused message {refused.id}: {refused.reason}")


def refuse_at_import() -> None:
    module = IMPORTING.get()
    if module:
        raise SentAtImport(
            f"A message was sent while {module} was being imported for its declarations: every worker would send it at every "
            "start. Move the send into a function, or below `if __name__ == '__main__':`."
        )


@contextmanager
def importing(module: str) -> Iterator[None]:
    """While this holds, sends from this thread raise SentAtImport."""
    token = IMPORTING.set(module)
    try:
        yield
    finally:
        IMPORTING.reset(token)


@contextmanager
def send_now() -> Iterator[None]:
    """Inside a handler: what is sent meanwhile leaves at once, whatever becomes of the handler. Elsewhere: nothing."""
    context = CURRENT.get()
    before = context.send_now if context is not None else False
    if context is not None:
        context.send_now = True
    try:
        yield
    finally:
        if context is not None:
            context.send_now = before

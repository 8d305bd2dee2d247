"""Many sends at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from itertools import groupby, islice
from typing import Any, Protocol

from postroad.core.message import Send
from postroad.engine.backpressure import Answers, blocked, chosen, replaced
from postroad.engine.context import CURRENT
from postroad.engine.portal import refuse_on_loop
from postroad.engine.publisher import accepted
from postroad.errors import ConfigurationError, NotSupported
from postroad.tasks.result import Result
from postroad.tasks.route import Owner, Route
from postroad.tasks.signature import Chain, Signature
from postroad.tasks.task import result_of

BATCH = 2_000
WINDOW = 2
"""Batches on their way while the next is made."""

Batch = tuple[list[Signature[Any]], list[Send]]


def batches(owner: Owner, signatures: Iterable[Signature[Any]]) -> Iterator[tuple[bool, Batch]]:
    """Runs of at most BATCH calls that are all, or none, to be sent at once; in order."""
    for now, run in groupby(signatures, key=Immediacy(owner)):
        while part := list(islice(run, BATCH)):
            yield now, (part, [signature.task.outgoing(signature.bound)[0] for signature in part])


class Immediacy:
    """Whether a call is to be sent at once; also that it can be sent here. Most calls are of the task of the one before."""

    def __init__(self, owner: Owner) -> None:
        self.owner = owner
        self.task: object = None
        self.now = False

    def __call__(self, signature: Signature[Any]) -> bool:
        if type(signature) is not Signature or signature.task is not self.task:
            self.task = checked(self.owner, signature).task
            self.now = signature.task.sending.send_now
        return self.now


def checked(owner: Owner, signature: Signature[Any]) -> Signature[Any]:
    if isinstance(signature, Chain):
        raise NotSupported("send_many of a chain: not built yet")
    if not isinstance(signature, Signature):
        raise ConfigurationError(f"send_many takes signatures, as task.s(...), and got {type(signature).__name__}: {signature!r:.80}.")
    if signature.task.definition.owned() is not owner:
        raise ConfigurationError(f"The task {signature.task.name} belongs to another app: send it through that one.")
    return signature


class Sender(Owner, Protocol):
    """An app, as `send_many` sees it."""

    @property
    def blocking(self) -> frozenset[str]: ...


def send_many(owner: Sender, signatures: Iterable[Signature[Any]]) -> list[Result[Any]]:
    """Blocking, unless a handler's buffer takes them."""
    route, results = owner.route, Pending(owner.route)
    for now, (part, sends) in batches(owner, signatures):
        if buffered(now) or may_block(owner, sends):
            results.add(part, route.outbound.send(sends, "app.send_many", "app.asend_many(...)", now))
            continue
        refuse_on_loop("app.send_many", "app.asend_many(...)")
        results.wait_for(part, sends, route.outbound.submit(sends))
        while len(results.flying) > WINDOW:
            results.land()
    while results.flying:
        results.land()
    return results.all


async def asend_many(owner: Owner, signatures: Iterable[Signature[Any]]) -> list[Result[Any]]:
    """The same, awaited."""
    route, results = owner.route, Pending(owner.route)
    for now, (part, sends) in batches(owner, signatures):
        results.add(part, await route.outbound.asend(sends, now))
    return results.all


def buffered(now: bool) -> bool:
    """Whether a handler's buffer takes what is sent here."""
    context = CURRENT.get()
    return context is not None and not now and not context.send_now


def may_block(owner: Sender, sends: Sequence[Send]) -> bool:
    """Whether a queue of these lets its producers wait: then the next batch waits for this one, so that none overtakes."""
    blocking = owner.blocking
    return bool(blocking) and any(send.to.routing_key in blocking for send in sends)


class Pending:
    """Results in order, of batches answered or still on their way."""

    def __init__(self, route: Route) -> None:
        self.route = route
        self.all: list[Result[Any]] = []
        self.flying: deque[tuple[list[Signature[Any]], list[Send], Future[Answers]]] = deque()

    def wait_for(self, part: list[Signature[Any]], sends: list[Send], answers: Future[Answers]) -> None:
        """This batch is on its way."""
        self.flying.append((part, sends, answers))

    def land(self) -> None:
        """The oldest batch has arrived. Raises for the first refusal in it.

        What met a full queue that another app declared to block is sent once more, and waits there.
        """
        part, sends, future = self.flying.popleft()
        answers = future.result()
        waiting = blocked(answers)
        if waiting:
            outbound = self.route.outbound
            again = outbound.send(chosen(sends, waiting), "app.send_many", "app.asend_many(...)", True)
            answers = replaced(answers, waiting, again)
        self.add(part, accepted(answers))

    def add(self, part: list[Signature[Any]], receipts: Any) -> None:
        """Results of a batch."""
        route = self.route
        self.all += [result_of(receipt, route, one.task.definition) for receipt, one in zip(receipts, part, strict=True)]

"""Publishing: one event, or many."""

from __future__ import annotations

import difflib
import logging
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from itertools import islice
from typing import Any, NoReturn, Protocol

from postroad.core.message import Receipt, Refused, Send
from postroad.engine.backpressure import blocked, chosen
from postroad.engine.context import CURRENT
from postroad.engine.portal import PORTAL, refuse_on_loop
from postroad.engine.publisher import accepted
from postroad.engine.route import Owner
from postroad.errors import ConfigurationError, PostroadError
from postroad.events.announcing import announce
from postroad.events.cloudevent import CloudEvent
from postroad.events.facts import KNOWN, EventFacts, facts_of
from postroad.events.shape import Publication, Shape

logger = logging.getLogger("postroad.events")

BATCH = 2_000
WINDOW = 2
"""Batches on their way while the next is made."""

Flying = deque[tuple[list[Send], Future[Sequence[Receipt | Refused]]]]


class EventOwner(Owner, Protocol):
    """An app, as what publishes sees it."""

    def first_published(self, kind: type, facts: EventFacts) -> None:
        """An event of this type goes out for the first time here."""

    @property
    def has_engine(self) -> bool:
        """Whether sends go to an engine now; in eager mode they do not."""


class EventPublisher:
    """One app's events on their way out."""

    def __init__(self, owner: EventOwner) -> None:
        self.owner = owner
        self.shapes: dict[type, Shape] = {}

    def shape_of(self, event: Any) -> Shape:
        """How events of this class become messages. Raises ConfigurationError for what is no event."""
        kind = type(event)
        facts = facts_of(kind)
        if facts is None:
            refuse(event)
        owner = self.owner
        owner.first_published(kind, facts)
        shape = self.shapes[kind] = Shape(kind, facts, owner.name, owner.tzinfo, owner.body_bytes_max)
        return shape

    # One

    def publish(self, event: Any, said: Publication | None, now: bool, timeout_s: float | None) -> str:
        """Durable when it returns; inside a handler, buffered. Answers its id."""
        shape = self.shapes.get(type(event)) or self.shape_of(event)
        send = shape.send(event) if said is None else shape.send_with(event, said)
        self.owner.route.outbound.send([send], "app.publish", "app.apublish(...)", now, timeout_s)
        if not shape.announced:
            self.announce([shape], now)
        return send.message.id

    async def apublish(self, event: Any, said: Publication | None, now: bool, timeout_s: float | None) -> str:
        """`publish`, awaited."""
        shape = self.shapes.get(type(event)) or self.shape_of(event)
        send = shape.send(event) if said is None else shape.send_with(event, said)
        await self.owner.route.outbound.asend([send], now, timeout_s)
        if not shape.announced:
            await self.aannounce([shape], now)
        return send.message.id

    # Many

    def publish_many(self, events: Iterable[Any], now: bool) -> list[str]:
        """In batches, each durable as a whole; all of them when it returns."""
        outbound, ids = self.owner.route.outbound, list[str]()
        flying: Flying = deque()
        for sends in self.batches(events):
            ids += [send.message.id for send in sends]
            if buffered(now):
                outbound.send(sends, "app.publish_many", "app.apublish_many(...)")
                continue
            refuse_on_loop("app.publish_many", "app.apublish_many(...)")
            flying.append((sends, outbound.submit(sends)))
            while len(flying) > WINDOW:
                self.land(*flying.popleft())
        while flying:
            self.land(*flying.popleft())
        self.announce(self.unannounced(), now)
        return ids

    def land(self, sends: list[Send], answers: Future[Sequence[Receipt | Refused]]) -> None:
        """A batch has arrived. What found a full queue waits for room, as one event would."""
        found = answers.result()
        waiting = blocked(found)
        if waiting:
            self.owner.route.outbound.send(chosen(sends, waiting), "app.publish_many", "app.apublish_many(...)", True)
            found = [answer for answer in found if not (isinstance(answer, Refused) and answer.kind == "blocked")]
        accepted(found)

    async def apublish_many(self, events: Iterable[Any], now: bool) -> list[str]:
        """`publish_many`, awaited."""
        ids: list[str] = []
        for sends in self.batches(events):
            await self.owner.route.outbound.asend(sends, now)
            ids += [send.message.id for send in sends]
        await self.aannounce(self.unannounced(), now)
        return ids

    def batches(self, events: Iterable[Any]) -> Iterator[list[Send]]:
        outgoing = self.outgoing(events)
        while part := list(islice(outgoing, BATCH)):
            yield part

    def outgoing(self, events: Iterable[Any]) -> Iterator[Send]:
        """Most events are of the type of the one before."""
        kind: type | None = None
        for event in events:
            if type(event) is not kind:
                kind = type(event)
                make = (self.shapes.get(kind) or self.shape_of(event)).send
            yield make(event)

    # The types that were seen

    def unannounced(self) -> list[Shape]:
        return [shape for shape in self.shapes.values() if not shape.announced]

    def announce(self, shapes: list[Shape], now: bool) -> None:
        """Tell the store of these types. In a handler nobody waits for it."""
        for shape in shapes if self.owner.has_engine else ():
            future = PORTAL.submit(self.try_to_announce(shape))
            if not buffered(now):
                future.result()

    async def aannounce(self, shapes: list[Shape], now: bool) -> None:
        """`announce`, awaited."""
        for shape in shapes if self.owner.has_engine else ():
            if buffered(now):
                PORTAL.submit(self.try_to_announce(shape))
            else:
                await PORTAL.wait(self.try_to_announce(shape))

    async def try_to_announce(self, shape: Shape) -> None:
        """The event is out already: that its type could not be noted is no failure of it, and is tried at the next."""
        shape.announced = True
        try:
            await announce(self.owner, shape.kind, shape.facts)
        except PostroadError as error:
            shape.announced = False
            logger.warning("The type of event %s could not be noted: %s", shape.facts.type, error)


def buffered(now: bool) -> bool:
    """Whether a handler's buffer takes what is published here."""
    context = CURRENT.get()
    return context is not None and not now and not context.send_now


def refuse(event: Any) -> NoReturn:
    """Raise for what is no event, with what to write."""
    kind = type(event)
    if isinstance(event, CloudEvent):
        raise ConfigurationError(
            "publish takes the event itself, not the CloudEvent around it: app.publish(event.data, id=event.id, ...)."
        )
    if isinstance(event, type):
        raise ConfigurationError(
            f"publish takes an event, and got the class {event.__name__}: app.publish({event.__name__}(...))."
        )
    base = next((one for one in kind.__mro__[1:] if facts_of(one) is not None), None)
    if base is not None:
        raise ConfigurationError(
            f"{kind.__name__} inherits the event {base.__name__} and is none itself: write "
            '@app.event("its.type") above it.'
        )
    if kind.__module__ == "builtins":
        names = sorted({one.__name__ for one in KNOWN})
        close = difflib.get_close_matches(str(event)[:80], names, n=1) if isinstance(event, str) else []
        hint = f" (did you mean {close[0]}(...)?)" if close else ""
        raise ConfigurationError(
            f"publish takes an event, and got {kind.__name__}: {event!r:.80}{hint}. Write a class that inherits postroad.Event; for "
            "a message without a type, app.queue(...).put(...)."
        )
    raise ConfigurationError(
        f'{kind.__name__} is no event: let it inherit postroad.Event, or write @app.event("its.type") above the class.'
    )

"""A group: one queue, to which every event goes that one of its handlers names."""

from __future__ import annotations

import os
import secrets

from postroad.core.delivery import Delivery
from postroad.core.routing import EVENTS, RoutingTable
from postroad.core.topology import Binding, Exchange, Queue, Topology
from postroad.engine.attributes import TYPE
from postroad.engine.handler import Handler
from postroad.engine.route import Owner
from postroad.errors import ConfigurationError
from postroad.events.facts import EventFacts
from postroad.events.handler import EventHandler, ForeignHandler
from postroad.events.subscription import AnySubscriber

EXCHANGE = Exchange(EVENTS, "topic")
TYPES_MAX = 10_000


class EventGroup:
    """The source of its queue's handlers: of an event's type exactly one handler. Its first member says where it takes from."""

    kind = "subscription"

    def __init__(self, first: AnySubscriber) -> None:
        self.name = first.group
        self.topic = first.topic
        self.broadcast = first.options.broadcast
        self.members: list[AnySubscriber] = []
        self.foreign = ForeignHandler(self.name)
        self.by_type: dict[str, Handler | None] = {}
        self.process = (0, "")
        self.join(first)

    def join(self, member: AnySubscriber) -> None:
        """One handler more; the same function again takes its own place. Raises ConfigurationError for two that take the same events."""
        self.check_member(member)
        others = [one for one in self.members if not one.same_function(member)]
        for one in others:
            common = member.wanted.common(one.wanted)
            if common:
                raise ConfigurationError(
                    f"Two handlers of group {self.name!r} take the same events ({common}): {one.handler.name} and "
                    f"{member.handler.name}; a group handles each event once. Give one of them a group of its own, or other types."
                )
        self.members = [*others, member]
        member.joined = self
        self.by_type = {}

    def check_member(self, member: AnySubscriber) -> None:
        if member.topic != self.topic:
            raise ConfigurationError(
                f"Group {self.name!r} takes from topic {self.topic!r}, and {member.handler.name} asks for events of topic "
                f"{member.topic!r}: give it a group of its own."
            )
        if member.options.broadcast != self.broadcast:
            raise ConfigurationError(
                f"Group {self.name!r} has handlers with broadcast=True and without ({member.handler.name}): say it for all of them, "
                "or use two groups."
            )

    # A part of an app

    def adopt(self, owner: Owner) -> None:
        """Its members know their app."""

    def topology(self) -> Topology:
        """Its queue, bound by everything that its members name."""
        queue = self.queue
        bindings = [Binding(EVENTS, queue, pattern) for one in self.members for pattern in one.wanted.all]
        return Topology((Queue(queue, carries="events", temporary=self.temporary),), (EXCHANGE,), tuple(bindings))

    # A source

    @property
    def queue(self) -> str:
        """Its name; that of a broadcast is this process's own."""
        shared = f"{self.topic}.{self.name}"
        return f"{shared}.{self.own_name()}" if self.broadcast else shared

    def own_name(self) -> str:
        """Drawn once a process: a forked one has another."""
        if self.process[0] != os.getpid():
            self.process = (os.getpid(), secrets.token_hex(6))
        return self.process[1]

    @property
    def temporary(self) -> bool:
        """A broadcast's queue goes with its process."""
        return self.broadcast

    @property
    def prefetch(self) -> int | None:
        """The smallest that one of its members asks for, for all of them take from one queue."""
        asked = [one.options.prefetch for one in self.members if one.options.prefetch is not None]
        return min(asked, default=None)

    @property
    def handlers(self) -> list[EventHandler]:
        """Of all its members."""
        return [one.handler for one in self.members]

    def resolve(self, delivery: Delivery) -> Handler | None:
        """The handler of the event's type; for what is no event, one that says so. None for a type nobody here names."""
        type_name = delivery.message.headers.get(TYPE)
        if type_name is None:
            return self.foreign
        if type_name in self.by_type:
            return self.by_type[type_name]
        if len(self.by_type) >= TYPES_MAX:
            self.by_type = {}
        found = self.by_type[type_name] = self.find(type_name)
        return found

    def find(self, type_name: str) -> Handler | None:
        """By routing: each member is a queue to which its patterns are bound."""
        bindings = [
            Binding(EVENTS, str(at), one) for at, member in enumerate(self.members) for one in member.wanted.all
        ]
        queues = RoutingTable(Topology((), (EXCHANGE,), tuple(bindings))).route(EVENTS, type_name, {})
        return self.members[int(queues[0])].handler if queues else None


class DeclaredEvent:
    """A type of events that an app knows: declared with ``@app.event``, or published."""

    kind = "event"

    def __init__(self, of: type, facts: EventFacts) -> None:
        self.of = of
        self.facts = facts
        self.name = facts.type

    def adopt(self, owner: Owner) -> None:
        """Nothing: its class carries all there is to know."""

    def topology(self) -> Topology:
        """Where it is published to."""
        return Topology(exchanges=(EXCHANGE,))

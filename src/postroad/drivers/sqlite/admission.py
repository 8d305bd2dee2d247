"""Which sends are taken: by where they go, whether they came before, and what room there is."""

from __future__ import annotations

from collections.abc import Sequence

from postroad.core.message import Message, Receipt, Refused, Send
from postroad.drivers.sqlite import bounds, dedupe, routing
from postroad.drivers.sqlite.dedupe import InboxKey
from postroad.drivers.sqlite.routing import Numbers
from postroad.drivers.sqlite.session import Session

Answer = Receipt | Refused


class Admission:
    """Decides one after the other, in one transaction: what was taken counts for those after it.

    ``taken``: each message with the queues that it is put into. Nothing is written before `keep`.
    """

    def __init__(self, session: Session, sends: Sequence[Send]) -> None:
        self.session = session
        self.routes = routing.routes(session, sends)
        self.rooms = bounds.Rooms(session)
        pairs = list(zip(sends, self.routes, strict=True))
        self.seen = dedupe.seen_before(
            session, [key for send, route in pairs for key in inbox_keys(send.message, route)]
        )
        keys = [send.message.unique.key for send in sends if send.message.unique is not None]
        self.owners = dedupe.key_owners(session, keys)
        self.taken: list[tuple[Message, Numbers]] = []
        self.unrouted: list[Send] = []
        self.duplicates = 0

    def decide_all(self, sends: Sequence[Send]) -> list[Answer]:
        """What each of them, the same as at the beginning, is answered."""
        return [self.decide(send, route) for send, route in zip(sends, self.routes, strict=True)]

    def decide(self, send: Send, route: Numbers | Refused) -> Answer:
        if isinstance(route, Refused):
            return route
        message = send.message
        if not route:
            self.unrouted.append(send)
            return Receipt(message.id, routed=0)
        wanted = self.not_seen(message, route)
        first = self.repeated(message, wanted)
        if first is not None:
            self.duplicates += 1
            return Receipt(message.id, first, len(route))
        full = None if send.returning else self.rooms.full(wanted)
        return self.take(message, wanted) if full is None else bounds.refused(send, full)

    def not_seen(self, message: Message, route: Numbers) -> Numbers:
        """The queues that did not have it yet."""
        if not message.dedupe or not self.seen:
            return route
        return tuple(number for number in route if (number, message.id) not in self.seen)

    def repeated(self, message: Message, wanted: Numbers) -> str | None:
        """The id of the first, when this one brings nothing new."""
        if not wanted:
            return message.id
        return None if message.unique is None else self.owners.get(message.unique.key)

    def take(self, message: Message, wanted: Numbers) -> Receipt:
        self.rooms.take(wanted)
        self.seen.update(inbox_keys(message, wanted))
        if message.unique is not None:
            self.owners[message.unique.key] = message.id
        self.taken.append((message, wanted))
        return Receipt(message.id, routed=len(wanted))

    def keep(self) -> None:
        """What must be remembered of those taken, and of those that went nowhere."""
        if self.duplicates:
            self.session.bump("duplicates", self.duplicates)
        ids = [key for message, wanted in self.taken for key in inbox_keys(message, wanted)]
        dedupe.remember(self.session, ids, [message for message, _wanted in self.taken])
        routing.keep_unrouted(self.session, self.unrouted)


def inbox_keys(message: Message, route: Numbers | Refused) -> list[InboxKey]:
    return [(number, message.id) for number in route] if message.dedupe and not isinstance(route, Refused) else []

"""What a process knows of the queues and exchanges: one snapshot, which says of which version of the topology it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from postroad.core.routing import RoutingTable
from postroad.core.topology import Binding, Exchange, Queue, Topology

if TYPE_CHECKING:
    from postroad.drivers.sqlite.session import Session

VERSION = "SELECT value FROM counter WHERE name = 'topology'"
QUEUES = "SELECT id, name, declared FROM queue"
QUEUE = msgspec.json.Decoder(Queue)


class Directory:
    """It does not change but once: the routing table is made when it is first needed. From any thread.

    ``plain``: of the queues that take whatever comes, the number, as a route of one; ``special``: those with a bound or a
    ttl. ``routes``: numbers by names, for those routes that lead to plain queues only (others: none), as they are asked for.
    """

    __slots__ = ("names", "numbers", "plain", "routes", "special", "table", "version")

    def __init__(self, version: int, queues: dict[int, Queue]) -> None:
        self.version = version
        self.numbers = {queue.name: number for number, queue in queues.items()}
        self.names = {number: queue.name for number, queue in queues.items()}
        self.special = {number: queue for number, queue in queues.items() if has_limits(queue)}
        self.plain = {queue.name: (number,) for number, queue in queues.items() if number not in self.special}
        self.routes: dict[tuple[str, ...], tuple[int, ...]] = {}
        self.table: RoutingTable | None = None

    def plain_route(self, names: tuple[str, ...]) -> tuple[int, ...]:
        """The numbers of these queues, when all of them are plain."""
        found = self.routes.get(names)
        if found is None:
            known = all(name in self.plain for name in names)
            found = self.routes[names] = tuple(self.numbers[name] for name in names) if known else ()
        return found


NOTHING_KNOWN = Directory(-1, {})


def has_limits(queue: Queue) -> bool:
    return queue.max_length is not None or queue.ttl_s is not None


def load(session: Session) -> Directory:
    version = int(session.value(VERSION))
    return Directory(version, {number: QUEUE.decode(declared) for number, _name, declared in session.rows(QUEUES)})


def load_table(session: Session) -> RoutingTable:
    return RoutingTable(
        Topology((), tuple(decoded(session, "exchange", Exchange)), tuple(decoded(session, "binding", Binding)))
    )


def decoded(session: Session, table: str, kind: Any) -> Iterator[Any]:
    decoder = msgspec.json.Decoder(kind)
    return (decoder.decode(text) for (text,) in session.connection.execute(f"SELECT declared FROM {table}"))

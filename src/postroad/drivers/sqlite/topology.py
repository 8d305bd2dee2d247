"""What is declared here: queues, exchanges and bindings; every change moves the counter `topology`."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec

from postroad.core.topology import Binding, Change, Exchange, Queue, Thing, Topology, binding_key, changes, conflict
from postroad.drivers.sqlite.session import CHANGE, Session, as_json, nearest
from postroad.errors import NotFound

QUEUES = "SELECT declared FROM queue ORDER BY name"
EXCHANGES = "SELECT declared FROM exchange ORDER BY name"
BINDINGS = "SELECT declared FROM binding ORDER BY rowid"
KNOWN_BINDINGS = "SELECT e.value FROM json_each(?1) e JOIN binding b ON b.declared = e.value"
ADD_QUEUE = """
INSERT INTO queue(id, name, declared, created_at) SELECT value, ?1, ?2, ?3 FROM counter WHERE name = 'queues'
"""
ADD_PUBLISHED = "INSERT INTO counter SELECT 'published:' || value, 0 FROM counter WHERE name = 'queues'"
ADD_EXCHANGE = "INSERT INTO exchange(name, declared) VALUES (?, ?)"
ADD_BINDINGS = """
INSERT INTO binding(declared, exchange, target, to_exchange)
SELECT value, value ->> 'exchange', value ->> 'to', coalesce(value ->> 'to_exchange', 0) FROM json_each(?1)
"""

QUEUE = msgspec.json.Decoder(Queue)
EXCHANGE = msgspec.json.Decoder(Exchange)
BINDING = msgspec.json.Decoder(Binding)


def present(session: Session) -> Topology:
    """All that is there."""
    with session.instant():
        return everything(session)


def everything(session: Session) -> Topology:
    return Topology(
        tuple(QUEUE.decode(text) for (text,) in session.connection.execute(QUEUES)),
        tuple(EXCHANGE.decode(text) for (text,) in session.connection.execute(EXCHANGES)),
        tuple(BINDING.decode(text) for (text,) in session.connection.execute(BINDINGS)),
    )


def plan(session: Session, declared: Topology) -> list[Change]:
    """What is to be done. Bindings are compared by SQLite: each with each would be too many where there are thousands."""
    there = msgspec.structs.replace(present_named(session), bindings=())
    return changes(msgspec.structs.replace(declared, bindings=missing(session, declared.bindings)), there)


def present_named(session: Session) -> Topology:
    """Queues and exchanges."""
    return Topology(
        tuple(QUEUE.decode(text) for (text,) in session.connection.execute(QUEUES)),
        tuple(EXCHANGE.decode(text) for (text,) in session.connection.execute(EXCHANGES)),
    )


def missing(session: Session, bindings: Sequence[Binding]) -> tuple[Binding, ...]:
    """Those that are not there, each once."""
    by_key = {binding_key(binding).decode(): binding for binding in bindings}
    if by_key:
        for (known,) in session.rows(KNOWN_BINDINGS, (as_json(list(by_key)),)):
            del by_key[known]
    return tuple(by_key.values())


def apply(session: Session, planned: Sequence[Change]) -> None:
    """Do it. Another process may have been quicker: then it must have said the same. Raises TopologyConflict, NotFound."""
    refuse(planned)
    now_planned = plan(session, declared_by(planned))
    refuse(now_planned)
    if not now_planned:
        return
    for change in now_planned:
        declare(session, change)
    bind(session, [change.what for change in now_planned if isinstance(change.what, Binding)])
    check_alternates(session, [change.what for change in now_planned if isinstance(change.what, Exchange)])
    changed(session)


def refuse(planned: Sequence[Change]) -> None:
    error = conflict(planned)
    if error is not None:
        raise error


def declared_by(planned: Sequence[Change]) -> Topology:
    things: list[Thing] = [change.what for change in planned]
    return Topology(
        tuple(thing for thing in things if isinstance(thing, Queue)),
        tuple(thing for thing in things if isinstance(thing, Exchange)),
        tuple(thing for thing in things if isinstance(thing, Binding)),
    )


def changed(session: Session) -> None:
    """Whoever remembers what is declared must look again: other processes by the counter, we at once."""
    session.bump("topology", 1)
    session.forget()
    session.bells |= CHANGE


def declare(session: Session, change: Change) -> None:
    thing = change.what
    if isinstance(thing, Exchange):
        session.connection.execute(ADD_EXCHANGE, (thing.name, as_json(thing)))
    elif isinstance(thing, Queue) and change.action == "alter":
        session.connection.execute("UPDATE queue SET declared = ? WHERE name = ?", (as_json(thing), thing.name))
    elif isinstance(thing, Queue):
        session.bump("queues", 1)
        session.connection.execute(ADD_QUEUE, (thing.name, as_json(thing), session.clock()))
        session.connection.execute(ADD_PUBLISHED)


def bind(session: Session, bindings: Sequence[Binding]) -> None:
    """Raises NotFound when an end of one is not declared."""
    if not bindings:
        return
    there = present_named(session)
    queues = {queue.name for queue in there.queues}
    exchanges = {exchange.name for exchange in there.exchanges}
    for binding in bindings:
        check_end(binding.words(), "exchange", binding.exchange, exchanges)
        what = "exchange" if binding.to_exchange else "queue"
        check_end(binding.words(), what, binding.to, exchanges if binding.to_exchange else queues)
    session.connection.execute(ADD_BINDINGS, (as_json([binding_key(binding).decode() for binding in bindings]),))


def check_end(words: str, what: str, name: str, known: Collection[str]) -> None:
    if name not in known:
        raise NotFound(
            f"Cannot bind {words}: there is no {what} {name!r}{nearest(name, known)} Declare it in the same app, or "
            f"apply the topology of the one that does."
        )


def check_alternates(session: Session, exchanges: Sequence[Exchange]) -> None:
    """What a new exchange names for what it cannot route must be there too."""
    known = {exchange.name for exchange in present_named(session).exchanges} if exchanges else set()
    for exchange in exchanges:
        if exchange.alternate and exchange.alternate not in known:
            raise NotFound(
                f"Exchange {exchange.name!r} names an alternate that is not declared: {exchange.alternate!r}"
                f"{nearest(exchange.alternate, known)} Declare that exchange too."
            )

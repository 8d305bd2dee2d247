"""Which queues a send goes to, and what becomes of what goes to none."""

from __future__ import annotations

import base64
from collections.abc import Sequence

from postroad.core.message import Refused, Send
from postroad.core.writes import Put
from postroad.drivers.sqlite import documents
from postroad.drivers.sqlite.directory import Directory
from postroad.drivers.sqlite.session import Session, as_json, nearest
from postroad.errors import NotFound

UNROUTED_KEPT_S = 86400.0

Numbers = tuple[int, ...]
"""Queues, each once."""


def routes(session: Session, sends: Sequence[Send]) -> list[Numbers | Refused]:
    """Of each send, in the transaction. () for what an exchange routes to nobody."""
    if any(send.to.exchange for send in sends):
        session.freshen()
    return [through(session, send) if send.to.exchange else straight(session, send) for send in sends]


def straight(session: Session, send: Send) -> Numbers | Refused:
    """To the queue of that name."""
    try:
        return (session.queue_number(send.to.routing_key),)
    except NotFound as error:
        return Refused(send.message.id, "unroutable", str(error))


def through(session: Session, send: Send) -> Numbers | Refused:
    """Where the exchange says."""
    names = session.routing().route(send.to.exchange, send.to.routing_key, send.message.headers)
    if names is None:
        known = [str(row[0]) for row in session.rows("SELECT name FROM exchange")]
        return unroutable(
            send,
            f"There is no exchange {send.to.exchange!r}{nearest(send.to.exchange, known)} Declare it in the app, or apply "
            "its topology.",
        )
    if not names and send.mandatory:
        return unroutable(
            send,
            f"Exchange {send.to.exchange!r} routes {send.to.routing_key!r} to no queue, and it was sent as mandatory: bind "
            "a queue, or send it without.",
        )
    return numbers_of(names, session.directory)


def unroutable(send: Send, reason: str) -> Refused:
    return Refused(send.message.id, "unroutable", reason)


def numbers_of(names: Sequence[str], known: Directory) -> Numbers:
    numbers = known.numbers
    return tuple(numbers[name] for name in names if name in numbers)


def plain_numbers(send: Send, known: Directory) -> Numbers:
    """Where it goes, when this can be said and done without looking anything up: else ().

    For whoever makes a batch ready beside the writer; true only of that version of the topology.
    """
    message, to = send.message, send.to
    if message.dedupe or message.unique:
        return ()
    if not to.exchange:
        return known.plain.get(to.routing_key, ())
    table = known.table
    names = None if table is None else table.route(to.exchange, to.routing_key, message.headers)
    return known.plain_route(names) if names else ()


def keep_unrouted(session: Session, sends: Sequence[Send]) -> None:
    """A record of each for a day, and the count."""
    if sends:
        now = session.clock()
        documents.apply(session, [unrouted(send, now) for send in sends])
        session.bump("unrouted", len(sends))


def unrouted(send: Send, now: float) -> Put:
    message = send.message
    what = {
        "exchange": send.to.exchange,
        "routing_key": send.to.routing_key,
        "headers": message.headers,
        **readable(message.body),
        "at": now,
    }
    return Put("unrouted", message.id, as_json(what), expires_at=now + UNROUTED_KEPT_S)


def readable(body: bytes) -> dict[str, str]:
    """As text, or as what can be turned back into bytes."""
    try:
        return {"body": body.decode()}
    except UnicodeDecodeError:
        return {"body": base64.b64encode(body).decode(), "encoding": "base64"}

"""One ordinary message as one statement: apsw gives up the interpreter lock at every step, and a message sent by itself is
then one step instead of six. The program of a temporary trigger counts it, numbers it, and puts it where it waits; what is
routed to several queues likewise, when the topology is still that by which it was routed. Messages that need more (a key, a
look whether they came before, a bound) take the long way (`publish`), with the same effect.
"""

from __future__ import annotations

import apsw

from postroad.core.message import Receipt, Send
from postroad.drivers.sqlite.directory import Directory
from postroad.drivers.sqlite.routing import plain_numbers
from postroad.drivers.sqlite.rows import message_row
from postroad.drivers.sqlite.session import as_json

NO_QUEUE = "the queue is not there any more"
STALE = "the topology is another by now"

COLUMNS = "message(id, queue, rank, key, due_at, flags, head, body, seq, attempt, crashes)"
BODY = "CASE WHEN NEW.flags & 16 THEN CAST(NEW.body AS BLOB) ELSE unhex(NEW.body) END"
PREPARE = f"""
CREATE TEMP VIEW IF NOT EXISTS single(id, queue, rank, key, due_at, flags, head, body) AS
    SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL;
CREATE TEMP TRIGGER IF NOT EXISTS send_single INSTEAD OF INSERT ON single BEGIN
    UPDATE counter SET value = value + 1 WHERE name IN ('seq', 'published:' || NEW.queue);
    SELECT RAISE(ABORT, '{NO_QUEUE}') WHERE changes() <> 2;
    INSERT INTO {COLUMNS} SELECT NEW.id, NEW.queue, NEW.rank, NEW.key, NEW.due_at, NEW.flags, NEW.head, {BODY}, value, 1, 0
        FROM counter WHERE name = 'seq';
    INSERT INTO ready SELECT NEW.queue, NEW.rank, value FROM counter WHERE name = 'seq' AND NEW.due_at IS NULL;
    INSERT INTO due SELECT NEW.due_at, value, NEW.queue FROM counter WHERE name = 'seq' AND NEW.due_at IS NOT NULL;
END;
CREATE TEMP VIEW IF NOT EXISTS routed(id, queues, rank, key, due_at, flags, head, body, count, version) AS
    SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL;
CREATE TEMP TRIGGER IF NOT EXISTS send_routed INSTEAD OF INSERT ON routed BEGIN
    SELECT RAISE(ABORT, '{STALE}') FROM counter WHERE name = 'topology' AND value <> NEW.version;
    UPDATE counter SET value = value + 1 WHERE name IN (SELECT 'published:' || e.value FROM json_each(NEW.queues) e);
    SELECT RAISE(ABORT, '{NO_QUEUE}') WHERE changes() <> NEW.count;
    UPDATE counter SET value = value + NEW.count WHERE name = 'seq';
    INSERT INTO {COLUMNS} SELECT NEW.id, e.value, NEW.rank, NEW.key, NEW.due_at, NEW.flags, NEW.head, {BODY},
        c.value - NEW.count + 1 + e.key, 1, 0 FROM counter c CROSS JOIN json_each(NEW.queues) e WHERE c.name = 'seq';
    INSERT INTO ready SELECT e.value, NEW.rank, c.value - NEW.count + 1 + e.key
        FROM counter c CROSS JOIN json_each(NEW.queues) e WHERE c.name = 'seq' AND NEW.due_at IS NULL;
    INSERT INTO due SELECT NEW.due_at, c.value - NEW.count + 1 + e.key, e.value
        FROM counter c CROSS JOIN json_each(NEW.queues) e WHERE c.name = 'seq' AND NEW.due_at IS NOT NULL;
END;
"""
RUN_SINGLE = "INSERT INTO single VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"
RUN_ROUTED = "INSERT INTO routed VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)"

Program = tuple[str, tuple[object, ...]]


def prepare(connection: apsw.Connection) -> None:
    """Once per writing connection."""
    connection.execute(PREPARE)


def program(send: Send, known: Directory) -> tuple[Program, Receipt] | None:
    """What to execute and to answer, when this is all there is to do. Raises apsw.ConstraintError (NO_QUEUE, STALE)."""
    message = send.message
    route = () if message.key is not None else plain_numbers(send, known)
    if not route:
        return None
    if not send.to.exchange:
        return (RUN_SINGLE, message_row(message, route[0])), Receipt(message.id)
    identifier, _queue, *rest = message_row(message, 0)
    row = (identifier, as_json(route), *rest, len(route), known.version)
    return (RUN_ROUTED, row), Receipt(message.id, None, len(route))

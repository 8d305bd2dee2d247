"""The ordinary turn as one statement: settle what succeeded, keep its results, claim the next.

apsw gives up the interpreter lock at every step and must win it back from busy handlers, up to a few milliseconds each
time, while the file lock is held. So the turn that nearly all turns are (successes without sends, keys or unique keys)
is the program of a temporary trigger: one INSERT into a view runs it whole, in its own transaction. Every other turn
takes the long way, statement by statement (`settle`, `claim`), with the same effect.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import apsw

from postroad.core.outcome import Accept, Settlement
from postroad.core.writes import Put
from postroad.drivers.sqlite import documents
from postroad.drivers.sqlite.session import as_json
from postroad.drivers.sqlite.settle import held_text

NOT_HELD = "not all of them are held"

PREPARE = f"""
CREATE TEMP VIEW IF NOT EXISTS turn(held, settled, docs, queue, most, take, token, holder) AS
    SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL;
CREATE TEMP TRIGGER IF NOT EXISTS run_turn INSTEAD OF INSERT ON turn BEGIN
    DELETE FROM leased WHERE (token, seq) IN (SELECT e.value, CAST(e.key AS INTEGER) FROM json_each(NEW.held) e);
    SELECT RAISE(ABORT, '{NOT_HELD}') WHERE changes() <> NEW.settled;
    DELETE FROM cancel WHERE +id IN
        (SELECT m.id FROM json_each(NEW.held) e JOIN message m ON m.seq = CAST(e.key AS INTEGER));
    DELETE FROM message WHERE seq IN (SELECT CAST(e.key AS INTEGER) FROM json_each(NEW.held) e);
    {documents.PUT.replace("?1", "NEW.docs")};
    UPDATE counter SET value = value + NEW.settled WHERE name = 'accepted' AND NEW.settled > 0;
    INSERT INTO leased(token, seq, queue, rank, holder, alone)
        SELECT NEW.token, seq, queue, rank, NEW.holder, 0 FROM ready WHERE queue = NEW.queue ORDER BY rank, seq
        LIMIT max(0, min(NEW.most, NEW.take - (SELECT count(*) FROM leased WHERE token = NEW.token)));
    DELETE FROM ready WHERE (queue, rank, seq) IN
        (SELECT queue, rank, seq FROM leased WHERE token = NEW.token AND queue = NEW.queue);
END;
"""
RUN = """
INSERT INTO turn SELECT CASE e.key WHEN 0 THEN ?1 END, CASE e.key WHEN 0 THEN ?2 ELSE 0 END, CASE e.key WHEN 0 THEN ?3 END,
    {queue}, {most}, ?5, ?6, ?7 FROM json_each(?4) e
"""
"""A row a queue, in their order; what is to be settled stands in the first."""
RUN_FREELY = RUN.format(queue="e.value", most="?5")
RUN_LIMITED = RUN.format(queue="e.value->>0", most="e.value->>1")

Program = tuple[str, tuple[object, ...]]


def prepare(connection: apsw.Connection) -> None:
    """Once per writing connection."""
    connection.execute(PREPARE)


def is_ordinary(settled: Sequence[Settlement]) -> bool:
    return all(is_plain_success(settlement) for settlement in settled)


def is_plain_success(settlement: Settlement) -> bool:
    message = settlement.delivery.message
    return (
        type(settlement.outcome) is Accept
        and not settlement.sends
        and settlement.mark is None
        and message.key is None
        and message.unique is None
        and all(type(write) is Put for write in settlement.writes)
    )


def program(
    settled: Sequence[Settlement], numbers: Sequence[int], take: int, token: int, holder: int, most: Mapping[int, int]
) -> Program:
    """What to execute for an ordinary turn over these queues, in this order. Raises apsw.ConstraintError (NOT_HELD).

    ``most``: for queues of which fewer than ``take`` may be taken, how many.
    """
    puts, _deletes = documents.last_words([write for settlement in settled for write in settlement.writes])
    queues = as_json([(number, most.get(number, take)) for number in numbers] if most else numbers)
    run = RUN_LIMITED if most else RUN_FREELY
    return run, (held_text(settled), len(settled), as_json(puts), queues, take, token, holder)

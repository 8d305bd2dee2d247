"""Sends into the user's own transaction: rows of a table, which leave when it is committed and never when it is not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import TypeVar

from postroad.core.message import BODY_BYTES_MAX, Receipt, Refused, Send
from postroad.engine.publisher import refuse_at_import
from postroad.errors import UsageError
from postroad.reliability.databases import AsyncDatabase, Database
from postroad.reliability.ownfile import refuse_engine_file
from postroad.reliability.rows import rows_of
from postroad.reliability.tables import INSERT, checked_dialect, is_missing_table, missing_table

T = TypeVar("T")


class OutboxWriter:
    """Stands in for the engine's publisher (engine.route.Outbound): what is sent is written into the outbox.

    ``own``: the engine's file, in which no outbox may lie.
    """

    def __init__(
        self, database: Database | AsyncDatabase, own: str | None, body_bytes_max: int = BODY_BYTES_MAX
    ) -> None:
        self.database = database
        self.own = own
        self.body_bytes_max = body_bytes_max
        self.looked = False
        self.seen: list[Callable[[Send], None]] = []

    def send(
        self,
        sends: list[Send],
        verb: str,
        line: str,
        now: bool = False,
        timeout_s: float | None = None,
        durability: str | None = None,
    ) -> Sequence[Receipt]:
        """As Outbound.send; also inside a handler, whose own buffer this is not. The row is as durable as its transaction."""
        refuse_options(now, timeout_s)
        if isinstance(self.database, AsyncDatabase):
            raise UsageError(
                f"{verb}() blocks, and this outbox is on a connection that is awaited. Write: await {line}"
            )
        self.write(self.database, sends)
        return self.receipts(sends)

    async def asend(
        self, sends: list[Send], now: bool = False, timeout_s: float | None = None, durability: str | None = None
    ) -> Sequence[Receipt]:
        """As Outbound.asend. On a connection that is not awaited, it blocks as long as every other statement there."""
        refuse_options(now, timeout_s)
        if isinstance(self.database, AsyncDatabase):
            await self.database.work(lambda database: self.write(database, sends))
        else:
            self.write(self.database, sends)
        return self.receipts(sends)

    def submit(self, sends: list[Send]) -> Future[Sequence[Receipt | Refused]]:
        """As Outbound.submit; answered already."""
        done: Future[Sequence[Receipt | Refused]] = Future()
        done.set_result(self.send(sends, "app.send_many", "app.asend_many(...)"))
        return done

    def write(self, database: Database, sends: Sequence[Send]) -> None:
        """Raises ConfigurationError where there is no table, UsageError where there is no transaction, SecondSQLite."""
        refuse_at_import()
        rows = rows_of(sends, self.body_bytes_max)
        checked_dialect(database.dialect)
        if not self.looked:
            refuse_engine_file(database.files(), self.own)
            self.looked = True
        database.refuse_autocommit()
        if rows:
            told(database, lambda: database.execute(INSERT, rows))

    def receipts(self, sends: Sequence[Send]) -> list[Receipt]:
        for tell in self.seen:
            for send in sends:
                tell(send)
        return [Receipt(send.message.id) for send in sends]


def told(database: Database, statement: Callable[[], T]) -> T:
    """What the statement answers. A missing table is told in words, every other error in the library's own."""
    try:
        return statement()
    except Exception as error:
        if is_missing_table(error):
            raise missing_table(database.dialect) from error
        raise


def refuse_options(now: bool, timeout_s: float | None) -> None:
    if now:
        raise UsageError(
            "send_now=True: what goes through an outbox leaves when its transaction is committed. Leave one of the two."
        )
    if timeout_s is not None:
        raise UsageError(
            "timeout= waits for room in a queue, and an outbox puts nothing there yet (its relay waits). Leave it out."
        )

"""Which messages were handled, remembered in the user's own transaction beside what they did."""

from __future__ import annotations

import time
from typing import Any

from postroad.engine.context import CURRENT
from postroad.errors import InvalidOption
from postroad.reliability.databases import AsyncDatabase, Database, adapted, blocking
from postroad.reliability.outbox import told
from postroad.reliability.ownfile import refuse_engine_file
from postroad.reliability.tables import FIRST, checked_dialect


class Inbox:
    """For a consumer whose effect lives in the user's database: the mark and the effect are committed together."""

    def __init__(self, connection: Any, own: str | None = None) -> None:
        self.connection = connection
        self.database = adapted(connection)
        self.own = own

    def first(self, message_id: str, *, scope: str | None = None) -> bool:
        """Write the id down, in the caller's transaction; False when it is there already, so that nothing is left to do.

        ``scope``: ids are told apart by it, for several consumers of one message; None: the queue of the current handler.
        While another transaction that wrote the same id is open, PostgreSQL waits for its end.
        """
        return self.write(blocking(self.connection), checked(message_id), scope_of(scope))

    async def afirst(self, message_id: str, *, scope: str | None = None) -> bool:
        """Write the id down, in the caller's transaction; False when it is there already, so that nothing is left to do.

        ``scope``: ids are told apart by it, for several consumers of one message; None: the queue of the current handler.
        While another transaction that wrote the same id is open, PostgreSQL waits for its end.
        """
        id, within = checked(message_id), scope_of(scope)
        if isinstance(self.database, AsyncDatabase):
            return await self.database.work(lambda database: self.write(database, id, within))
        return self.write(self.database, id, within)

    def write(self, database: Database, id: str, scope: str) -> bool:
        checked_dialect(database.dialect)
        refuse_engine_file(database.files(), self.own)
        database.refuse_autocommit()
        row = {"scope": scope, "id": id, "seen_at": time.time()}
        return told(database, lambda: database.execute(FIRST, [row])) == 1


def checked(id: Any) -> str:
    if not isinstance(id, str) or not id or "\x00" in id:
        raise InvalidOption(f"first({id!r:.80}): give the message's id, a text that is not empty.")
    return id


def scope_of(given: str | None) -> str:
    """The queue of the handler that runs here; "" outside of handlers."""
    if given is not None:
        return given
    context = CURRENT.get()
    return context.delivery.source if context is not None else ""

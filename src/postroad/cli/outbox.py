"""``postroad outbox``: the tables in the user's own database, what waits there, and relaying it."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from postroad.cli import exits, flags, settings
from postroad.cli.output import Column, ago, as_json, note, several, table
from postroad.errors import EngineUnavailable, InvalidOption, PostroadError

if TYPE_CHECKING:  # a command's help must not wait for asyncio and databases
    from postroad.reliability.databases import Database
    from postroad.reliability.ledger import OutboxStatus
    from postroad.reliability.origins import Origin

COLUMNS: tuple[Column, ...] = (
    Column("SEQ", lambda row: str(row.seq), right=True),
    Column("ID", lambda row: row.id),
    Column("EXCHANGE", lambda row: row.exchange or "-"),
    Column("TO", lambda row: row.routing_key),
    Column("KEY", lambda row: row.key or "-"),
    Column("SET ASIDE", lambda row: ago(row.failed_at)),
    Column("REASON", lambda row: row.failed_reason),
)
AGAIN = "UPDATE postroad_outbox SET failed_at = NULL WHERE seq = ..."


def arguments(parser: argparse.ArgumentParser) -> None:
    flags.engine(parser)
    flags.output(parser)
    database(parser)
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=False)
    parser.set_defaults(verb="status", limit=20)
    init = flags.verb(verbs, "init", "make the tables of the outbox and the inbox in your database")
    init.add_argument("--print", action="store_true", dest="only_print", help="print the SQL and change nothing")
    status = flags.verb(verbs, "status", "what waits, and what was set aside (also what no verb does)")
    status.add_argument(
        "--limit", type=flags.count, default=20, metavar="N", help="rows set aside to show (default 20)"
    )
    relay = flags.verb(
        verbs, "relay", "bring what it holds to the engine until Ctrl-C; workers of App(outbox=...) do it too"
    )
    relay.add_argument("--once", action="store_true", help="end when nothing waits any more")
    for verb in (init, status, relay):
        database(verb, nested=True)


def database(parser: argparse.ArgumentParser, *, nested: bool = False) -> None:
    parser.add_argument(
        "--database",
        metavar="URL",
        default=argparse.SUPPRESS if nested else None,
        help="sqlite:///shop.db or postgresql://user@host/shop (default: $POSTROAD_OUTBOX, [tool.postroad] outbox)",
    )


def run(options: argparse.Namespace) -> int:
    url = settings.text(options.database, "outbox")
    if not url:
        raise InvalidOption(
            "Which database? --database sqlite:///shop.db, or postgresql://user@host/shop; or set POSTROAD_OUTBOX."
        )
    return {"init": init, "status": status, "relay": relay}[options.verb](options, url)


def init(options: argparse.Namespace, url: str) -> int:
    """Make the tables, or print how."""
    from postroad.reliability import ledger, tables
    from postroad.reliability.origins import by_url, dialect_of

    if options.only_print:
        print(tables.script(dialect_of(url)), end="")
        return exits.OK
    refuse_own(options, url)
    origin = by_url(url, make=True)
    opened = reached(origin)
    try:
        ledger.make_tables(opened)
    finally:
        opened.close()
    print(f"The tables {tables.OUTBOX} and {tables.INBOX} are in {origin.name}.")
    return exits.OK


def status(options: argparse.Namespace, url: str) -> int:
    """1 when rows were set aside."""
    from postroad.reliability import ledger
    from postroad.reliability.origins import by_url

    refuse_own(options, url)
    origin = by_url(url)
    opened = reached(origin)
    try:
        found = ledger.status(opened, origin.name, options.limit)
    finally:
        opened.close()
    show(found, options.output)
    return exits.FAILED if found.failed_count else exits.OK


def show(found: OutboxStatus, output: str) -> None:
    if output != "text":
        print(as_json(found, indent=2 if output == "json" else 0))
        return
    oldest = "" if found.oldest_age_s is None else f", the oldest for {found.oldest_age_s:.1f} s"
    print(f"{found.database}: {several(found.waiting, 'row')} waiting{oldest}; {found.failed_count:,} set aside.")
    if found.failed:
        print("\n".join(table(found.failed, COLUMNS)))
        note(f"What was set aside is sent again after: {AGAIN}")


def relay(options: argparse.Namespace, url: str) -> int:
    """Until Ctrl-C, or until nothing waits."""
    import asyncio
    import logging

    from postroad.app.config import engine_url
    from postroad.drivers.registry import open_driver
    from postroad.reliability.origins import by_url
    from postroad.reliability.ownfile import engine_file
    from postroad.reliability.relay import Relay

    refuse_own(options, url)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    engine = engine_url(options.url)
    one = Relay(by_url(url), lambda: engine_file(engine))

    async def relayed() -> int:
        async with open_driver(engine, worker="outbox relay") as driver:
            if options.once:
                print(f"{several(await one.drain(driver), 'row')} relayed or set aside.")
            else:
                await one(driver)
        return exits.OK

    return asyncio.run(relayed())


def reached(origin: Origin) -> Database:
    """Open. Whatever the library says is an engine that cannot be reached."""
    try:
        return origin.open()
    except PostroadError:
        raise
    except Exception as error:
        raise EngineUnavailable(f"{origin.name} cannot be reached: {type(error).__name__}: {error}") from error


def refuse_own(options: argparse.Namespace, url: str) -> None:
    """Raises SecondSQLite for the engine's own file, before it is opened."""
    from postroad.app.config import engine_url
    from postroad.reliability.origins import by_url
    from postroad.reliability.ownfile import engine_file, refuse_engine_file

    file = by_url(url, make=True).file
    refuse_engine_file([file] if file else [], engine_file(engine_url(options.url)))

"""``postroad events``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from postroad.cli import exits, flags
from postroad.cli.engine import look
from postroad.cli.output import Column, age, ago, items

if TYPE_CHECKING:
    from postroad.observe.inspect import Inspection

TYPES: tuple[Column, ...] = (
    Column("TYPE", lambda one: one.type),
    Column("FIRST SEEN", lambda one: ago(one.first_seen_at)),
    Column("SOURCE", lambda one: one.source or "-"),
    Column("KEY", lambda one: one.key or "-"),
    Column("GROUPS", lambda one: ", ".join(one.groups) or "nobody"),
)
GROUPS: tuple[Column, ...] = (
    Column("GROUP", lambda group: group.group),
    Column("PATTERNS", lambda group: ", ".join(group.patterns) or "-"),
    Column("CONSUMERS", lambda group: f"{group.consumers:,}" if group.consumers else "nobody", right=True),
    Column("READY", lambda group: f"{group.ready:,}", right=True),
    Column("IN FLIGHT", lambda group: f"{group.in_flight:,}", right=True),
    Column("DEAD", lambda group: f"{group.dead:,}", right=True),
    Column("OLDEST", lambda group: age(group.oldest_age_s), right=True),
)
UNROUTED: tuple[Column, ...] = (
    Column("WHEN", lambda one: ago(one.at)),
    Column("EXCHANGE", lambda one: one.exchange),
    Column("KEY", lambda one: one.routing_key),
    Column("ID", lambda one: one.id),
    Column("BODY", lambda one: one.body if one.encoding is None else f"{one.encoding} {one.body}"),
)


def arguments(parser: argparse.ArgumentParser) -> None:
    verbs = flags.noun(parser)
    flags.verb(
        verbs, "list", "show the types of events that were published or are waited for (the default)", watch=True
    )
    flags.verb(verbs, "groups", "show the groups of subscribers, and who of them nobody consumes", watch=True)
    unrouted = flags.verb(verbs, "unrouted", "show what went to nobody in the last day", watch=True)
    unrouted.add_argument("--limit", type=flags.count, default=50, metavar="N", help="at most (default 50)")
    tail = flags.verb(verbs, "tail", "print events as they are published, until Ctrl-C; nobody misses them for it")
    tail.add_argument("pattern", metavar="PATTERN", nargs="?", default="#", help="only these types, as 'order.*' (all)")
    tail.add_argument("--count", type=flags.count, metavar="N", help="end after so many")
    tail.add_argument("--timeout", type=flags.duration, metavar="DURATION", help="end after this long, as 30s")


def run(options: argparse.Namespace) -> int:
    if options.verb == "tail":
        from postroad.cli.events import tail

        return tail.run(options)
    verbs = {"list": show_types, "groups": show_groups, "unrouted": show_unrouted}
    return look(options, lambda inspection: verbs[options.verb](inspection, options))


async def show_types(inspection: Inspection, options: argparse.Namespace) -> int:
    items(await inspection.event_types(), TYPES, options.output, "No events were published, and nobody waits for any.")
    return exits.OK


async def show_groups(inspection: Inspection, options: argparse.Namespace) -> int:
    items(
        await inspection.groups(),
        GROUPS,
        options.output,
        "No groups: @app.subscribe declares them at a worker's start.",
    )
    return exits.OK


async def show_unrouted(inspection: Inspection, options: argparse.Namespace) -> int:
    items(await inspection.unrouted(options.limit), UNROUTED, options.output, "Nothing went to nobody in the last day.")
    return exits.OK

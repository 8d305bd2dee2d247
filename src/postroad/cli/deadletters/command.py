"""``postroad dead-letters``: its verbs."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from postroad.cli import exits, flags
from postroad.cli.deadletters import acting, editing, moving
from postroad.cli.deadletters.choosing import chosen, filters
from postroad.cli.deadletters.sheet import fields
from postroad.cli.engine import look
from postroad.cli.output import Column, ago, item, items

if TYPE_CHECKING:
    from postroad.observe.inspect import Inspection

COLUMNS: tuple[Column, ...] = (
    Column("NUMBER", lambda letter: str(letter.number), right=True),
    Column("DIED", lambda letter: ago(letter.died_at)),
    Column("QUEUE", lambda letter: letter.source),
    Column("TASK", lambda letter: letter.task or "-"),
    Column("ATTEMPT", lambda letter: str(letter.attempt), right=True),
    Column("DEATHS", lambda letter: str(letter.deaths), right=True),
    Column("KIND", lambda letter: letter.fingerprint[:8]),
    Column("REASON", lambda letter: letter.reason),
)
GROUP_COLUMNS: tuple[Column, ...] = (
    Column("COUNT", lambda group: f"{group.count:,}", right=True),
    Column("KIND", lambda group: group.fingerprint[:8]),
    Column("QUEUE", lambda group: group.source),
    Column("TASK", lambda group: group.task or "-"),
    Column("FIRST", lambda group: ago(group.first_at)),
    Column("LAST", lambda group: ago(group.last_at)),
    Column("EXAMPLE", lambda group: str(group.example), right=True),
    Column("REASON", lambda group: group.reason),
)

ACTS = (("redrive", "send dead letters to their queues again"), ("purge", "delete dead letters for good"))


def arguments(parser: argparse.ArgumentParser) -> None:
    verbs = flags.noun(parser)
    listing = flags.verb(verbs, "list", "show dead letters, newest first (the default)", watch=True)
    for place, nested in ((parser, False), (listing, True)):
        filters(place, nested)
        nothing = argparse.SUPPRESS if nested else None
        place.add_argument("--group", action="store_true", default=nothing or False, help="as the verb groups")
        limit(place, nothing or 50)
        place.add_argument("--before", type=flags.count, default=nothing, metavar="NUMBER", help="the next page")
    groups = flags.verb(verbs, "groups", "show what they died of, one line a kind, the largest first", watch=True)
    filters(groups, True)
    limit(groups, argparse.SUPPRESS)
    one = flags.verb(verbs, "show", "show a dead letter whole: body, headers, every attempt")
    one.add_argument("reference", metavar="NUMBER|ID")
    one.add_argument("--raw", action="store_true", help="write the body alone, byte for byte")
    editing.arguments(flags.verb(verbs, "edit", "change the body or headers before it is redriven"))
    for name, help in ACTS:
        act = flags.verb(verbs, name, help)
        act.add_argument("references", metavar="NUMBER|ID", nargs="*", help="these; else all that match")
        filters(act, True)
        flags.act(act)
        if name == "redrive":
            act.add_argument(
                "--rate", type=flags.rate, metavar="N/s", help="let so many become ready a second, as 100/s"
            )
    export = flags.verb(verbs, "export", "write dead letters whole, one JSON object a line")
    filters(export, True)
    export.add_argument("path", metavar="FILE", nargs="?", help="a new file (default: standard output)")
    export.add_argument("--file", metavar="PATH", help="the same")
    take_in = flags.verb(verbs, "import", "take in dead letters that were exported, here or elsewhere")
    take_in.add_argument("path", metavar="FILE", help="as export wrote it; - reads standard input")


def limit(parser: argparse.ArgumentParser, default: object) -> None:
    parser.add_argument("--limit", type=flags.count, default=default, metavar="N", help="default 50")


def run(options: argparse.Namespace) -> int:
    verbs = {
        "list": show_list,
        "groups": show_groups,
        "show": show,
        "edit": editing.edit,
        "redrive": acting.redrive,
        "purge": acting.purge,
        "export": moving.export,
        "import": moving.take_in,
    }
    return look(options, lambda inspection: verbs[options.verb](inspection, options))


async def show_list(inspection: Inspection, options: argparse.Namespace) -> int:
    if options.group:
        return await show_groups(inspection, options)
    letters = await inspection.dead_letters(chosen(options), options.limit, options.before)
    items(letters, COLUMNS, options.output, "No dead letters.")
    return exits.OK


async def show_groups(inspection: Inspection, options: argparse.Namespace) -> int:
    groups = await inspection.dead_letter_groups(chosen(options))
    items(groups[: options.limit], GROUP_COLUMNS, options.output, "No dead letters.")
    return exits.OK


async def show(inspection: Inspection, options: argparse.Namespace) -> int:
    from postroad.observe.views import bytes_of

    letter = await inspection.dead_letter(options.reference)
    if options.raw:
        sys.stdout.flush()
        sys.stdout.buffer.write(bytes_of(letter.body, letter.body_base64))
    else:
        item(letter, fields(letter), options.output)
    return exits.OK

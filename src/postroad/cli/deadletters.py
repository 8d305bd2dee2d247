"""``postroad dead-letters``: what could not be done, why, and what becomes of it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from postroad.cli import exits, flags
from postroad.cli.engine import confirmed, look
from postroad.cli.output import Column, ago, as_json, item, items, moment, note, several
from postroad.errors import InvalidOption

if TYPE_CHECKING:
    from postroad.observe.inspect import Inspection
    from postroad.observe.views import DeadLetterView
    from postroad.ports.driver import DeadLetterFilter

COLUMNS: tuple[Column, ...] = (
    Column("NUMBER", lambda letter: str(letter.number), right=True),
    Column("DIED", lambda letter: ago(letter.died_at)),
    Column("QUEUE", lambda letter: letter.source),
    Column("TASK", lambda letter: letter.task or "-"),
    Column("ATTEMPT", lambda letter: str(letter.attempt), right=True),
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

PAGE = 500


def arguments(parser: argparse.ArgumentParser) -> None:
    verbs = flags.noun(parser)
    listing = flags.verb(verbs, "list", "show dead letters, newest first (the default)", watch=True)
    for place, nested in ((parser, False), (listing, True)):
        filters(place, nested)
        nothing = argparse.SUPPRESS if nested else None
        place.add_argument("--group", action="store_true", default=nothing or False, help="one line a kind")
        place.add_argument("--limit", type=flags.count, default=nothing or 50, metavar="N", help="default 50")
        place.add_argument("--before", type=flags.count, default=nothing, metavar="NUMBER", help="the next page")
    one = flags.verb(verbs, "show", "show a dead letter whole: body, headers, every attempt")
    one.add_argument("reference", metavar="NUMBER|ID")
    for name, help in ACTS:
        act = flags.verb(verbs, name, help)
        act.add_argument("references", metavar="NUMBER|ID", nargs="*", help="these; else all that match")
        filters(act, True)
        flags.act(act)
    export = flags.verb(verbs, "export", "write dead letters whole, one JSON object a line")
    filters(export, True)
    export.add_argument("--file", metavar="PATH", help="a new file (default: standard output)")


def filters(parser: argparse.ArgumentParser, nested: bool) -> None:
    nothing = argparse.SUPPRESS if nested else None
    parser.add_argument("--queue", metavar="NAME", default=nothing, help="only from this queue")
    parser.add_argument("--kind", metavar="PREFIX", default=nothing, help="only of this kind (see --group)")
    parser.add_argument("--error", metavar="TYPE", default=nothing, help="only with this type of error, as ValueError")


def run(options: argparse.Namespace) -> int:
    verbs = {"list": show_list, "show": show, "redrive": redrive, "purge": purge, "export": export}
    return look(options, lambda inspection: verbs[options.verb](inspection, options))


def chosen(options: argparse.Namespace) -> DeadLetterFilter:
    from postroad.ports.driver import DeadLetterFilter

    return DeadLetterFilter(source=options.queue, fingerprint=options.kind, error_type=options.error)


async def show_list(inspection: Inspection, options: argparse.Namespace) -> int:
    if options.group:
        groups = await inspection.dead_letter_groups(chosen(options))
        items(groups[: options.limit], GROUP_COLUMNS, options.output, "No dead letters.")
    else:
        letters = await inspection.dead_letters(chosen(options), options.limit, options.before)
        items(letters, COLUMNS, options.output, "No dead letters.")
    return exits.OK


async def show(inspection: Inspection, options: argparse.Namespace) -> int:
    letter = await inspection.dead_letter(options.reference)
    item(letter, fields(letter), options.output)
    return exits.OK


async def redrive(inspection: Inspection, options: argparse.Namespace) -> int:
    return await acted(inspection, options, "redrive", "send again", "sent again")


async def purge(inspection: Inspection, options: argparse.Namespace) -> int:
    return await acted(inspection, options, "purge", "delete for good", "deleted")


async def acted(inspection: Inspection, options: argparse.Namespace, verb: str, will: str, did: str) -> int:
    """Preview, then do it: to the letters that were named, else to all that match."""
    from postroad.observe import operate

    numbers = await operate.numbers_of(inspection, options.references, note)
    if options.references and not numbers:
        return exits.NOT_FOUND
    which = chosen(options)
    total = len(numbers) if options.references else await inspection.engine.count_dead(which)
    some = f"{options.limit:,} of the " if total > options.limit else ""
    preview = f"{will}: {some}{several(total, 'dead letter')}{await kinds(inspection, options, which)}"
    code = confirmed(options, preview)
    if code is not None:
        return code
    if options.references:
        count = await operate.each(inspection, verb, numbers[: options.limit])
    else:
        count = await operate.matching(inspection, verb, which, options.limit)
    print(f"{several(count, 'dead letter')} {did}")
    return exits.of_found(len(options.references), len(numbers)) if options.references else exits.OK


async def kinds(inspection: Inspection, options: argparse.Namespace, which: DeadLetterFilter) -> str:
    """The three largest kinds among them, for the preview."""
    if options.references or options.yes:
        return ""
    groups = (await inspection.dead_letter_groups(which))[:3]
    return "".join(f"\n    {group.count:,} x {group.task or group.source}: {group.reason}" for group in groups)


async def export(inspection: Inspection, options: argparse.Namespace) -> int:
    """Newest first; every letter once."""
    if options.file is None:
        await write(inspection, options, sys.stdout.write)
    else:
        with open_new(options.file) as file:
            count = await write(inspection, options, file.write)
        note(f"wrote {several(count, 'dead letter')} to {options.file}")
    return exits.OK


def open_new(path: str) -> TextIO:
    """Raises InvalidOption rather than overwrite a file."""
    try:
        return Path(path).open("x", encoding="utf-8")
    except FileExistsError as error:
        raise InvalidOption(f"{path} is there already: name a new file.") from error


async def write(inspection: Inspection, options: argparse.Namespace, out: Callable[[str], object]) -> int:
    before, count = None, 0
    while letters := await inspection.dead_letters(chosen(options), PAGE, before):
        for letter in letters:
            out(as_json(letter, indent=0) + "\n")
        before, count = letters[-1].number, count + len(letters)
    return count


def fields(letter: DeadLetterView) -> list[tuple[str, str | None]]:
    """What the sheet of one dead letter shows."""
    attempts = "\n".join(
        f"{number}. {moment(ended.ended_at)} {ended.kind} {ended.error_type}: {ended.error} ({ended.worker})"
        for number, ended in enumerate(letter.history, 1)
    )
    return [
        ("number", str(letter.number)),
        ("id", letter.id),
        ("task", letter.task),
        ("queue", letter.source),
        ("reason", letter.reason),
        ("error", letter.error_type),
        ("kind", letter.fingerprint),
        ("sent", moment(letter.queued_at)),
        ("died", moment(letter.died_at)),
        ("attempt", str(letter.attempt)),
        ("crashes", str(letter.crashes) if letter.crashes else None),
        ("worker", letter.worker),
        ("priority", str(letter.priority)),
        ("key", letter.key),
        ("headers", as_json(letter.headers, indent=0) if letter.headers else None),
        ("body", letter.body if letter.body_base64 is None else f"base64 {letter.body_base64}"),
        ("attempts", attempts + "\n" if attempts else None),
        ("traceback", letter.history[-1].traceback if letter.history else None),
    ]

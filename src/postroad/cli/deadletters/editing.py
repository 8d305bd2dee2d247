"""Changing a dead letter's body or headers, so that it can succeed when it is redriven."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from postroad.cli import bodies, exits
from postroad.cli.deadletters.sheet import fields
from postroad.cli.output import item
from postroad.errors import InvalidOption

if TYPE_CHECKING:
    from postroad.observe.inspect import Inspection


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("reference", metavar="NUMBER|ID")
    bodies.body_arguments(parser, name="body", optional=True)
    bodies.header_argument(parser)
    parser.add_argument("--no-header", metavar="K", action="append", default=[], help="take this header away")


async def edit(inspection: Inspection, options: argparse.Namespace) -> int:
    if options.body is None and not options.header and not options.no_header:
        raise InvalidOption("Nothing to change: give --body, --header or --no-header.")
    letter = await inspection.dead_letter(options.reference)
    body = None if options.body is None else bodies.body_of(options.body, raw=options.raw)
    headers = changed(letter.headers, options) if options.header or options.no_header else None
    await inspection.engine.edit_dead(letter.number, body, headers)
    edited = await inspection.dead_letter(str(letter.number))
    item(edited, fields(edited), options.output)
    return exits.OK


def changed(headers: dict[str, str], options: argparse.Namespace) -> dict[str, str]:
    """All headers as they are to be. The engine's own may be changed here: a task's name may have been wrong."""
    missing = [name for name in options.no_header if name not in headers]
    if missing:
        raise InvalidOption(f"--no-header {missing[0]}: the dead letter has no such header.")
    return {name: value for name, value in (headers | dict(options.header)).items() if name not in options.no_header}

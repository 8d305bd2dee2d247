"""Arguments that several commands share.

A noun (``queues``) and its verbs (``purge``) take the same flags. What a verb does not say must not undo what
was said before it, so a verb's flags have no defaults of their own (``nested``).
"""

from __future__ import annotations

import argparse
from typing import Any

FORMATS = ("text", "json", "jsonl")


def engine(parser: argparse.ArgumentParser, *, nested: bool = False) -> None:
    """Which engine, and what to do with an unexpected error."""
    parser.add_argument(
        "--url",
        metavar="URL",
        default=argparse.SUPPRESS if nested else None,
        help="the engine, as sqlite:///app.db (default: $POSTROAD_URL, [tool.postroad], else postroad.db)",
    )
    parser.add_argument(
        "--traceback",
        action="store_true",
        default=argparse.SUPPRESS if nested else False,
        help="show where an error comes from",
    )


def output(parser: argparse.ArgumentParser, *, watch: bool = False, nested: bool = False) -> None:
    """How to print."""
    parser.add_argument(
        "-o",
        "--output",
        choices=FORMATS,
        default=argparse.SUPPRESS if nested else "text",
        help="text for people; json or jsonl for programs",
    )
    if watch:
        parser.add_argument(
            "--watch",
            action="store_true",
            default=argparse.SUPPRESS if nested else False,
            help="look again every second, until Ctrl-C",
        )


def sure(parser: argparse.ArgumentParser) -> None:
    """For verbs that destroy one thing."""
    parser.add_argument("--yes", action="store_true", help="do it; without this only a preview is shown")
    parser.add_argument("--dry-run", action="store_true", help="show what would be done, and do nothing")


def act(parser: argparse.ArgumentParser, limit: int = 1000) -> None:
    """For verbs that destroy or move many."""
    sure(parser)
    parser.add_argument("--limit", type=count, default=limit, metavar="N", help=f"at most (default {limit:,})")


def noun(parser: argparse.ArgumentParser, *, watch: bool = True) -> Any:
    """A command with verbs, of which the first, ``list``, is what no verb means."""
    engine(parser)
    output(parser, watch=watch)
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=False)
    parser.set_defaults(verb="list")
    return verbs


def verb(verbs: Any, name: str, help: str, *, watch: bool = False) -> argparse.ArgumentParser:
    """One verb of a noun."""
    words = f"{help[0].upper()}{help[1:]}."
    parser: argparse.ArgumentParser = verbs.add_parser(name, help=help, description=words)
    engine(parser, nested=True)
    output(parser, watch=watch, nested=True)
    return parser


def count(text: str) -> int:
    """A whole number, 1 or more."""
    value = int(text) if text.isdecimal() else 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of 1 or more")
    return value


def rate(text: str) -> float:
    """A second, from "100/s", "30/m", "5/h"."""
    number, slash, unit = text.partition("/")
    units = {"s": 1.0, "m": 60.0, "h": 3600.0}
    if not slash or unit not in units or not number.replace(".", "", 1).isdecimal() or not float(number):
        raise argparse.ArgumentTypeError(f"{text!r} is no rate: write a number over s, m or h, as 100/s")
    return float(number) / units[unit]


def duration(text: str) -> float:
    """Seconds, from "90", "90s", "5m"."""
    from postroad.core.durations import seconds
    from postroad.errors import InvalidOption

    try:
        return seconds(float(text) if text.replace(".", "", 1).isdecimal() else text)
    except InvalidOption as error:
        raise argparse.ArgumentTypeError(str(error)) from error

"""Which dead letters a verb is about: by number or id, else all that match."""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING

from postroad.cli import flags

if TYPE_CHECKING:
    from postroad.ports.driver import DeadLetterFilter


def filters(parser: argparse.ArgumentParser, nested: bool) -> None:
    nothing = argparse.SUPPRESS if nested else None
    for names, metavar, help in (
        (("--queue", "--source"), "NAME", "only from this queue"),
        (("--kind", "--fingerprint"), "PREFIX", "only of this kind (see groups)"),
        (("--error",), "TYPE", "only with this type of error, as ValueError"),
        (("--task",), "NAME", "only of this task"),
        (("--reason",), "TEXT", "only with this text in the reason"),
    ):
        parser.add_argument(*names, metavar=metavar, default=nothing, help=help)
    for name, help in (
        ("--since", "only those that died since, as 1h or 2026-11-21T09:00"),
        ("--until", "only those before"),
    ):
        parser.add_argument(name, type=moment, metavar="WHEN", default=nothing, help=help)


def chosen(options: argparse.Namespace) -> DeadLetterFilter:
    from postroad.ports.driver import DeadLetterFilter

    return DeadLetterFilter(
        source=options.queue,
        fingerprint=options.kind,
        error_type=options.error,
        task=options.task,
        reason=options.reason,
        since=options.since,
        until=options.until,
    )


def moment(text: str) -> float:
    """Wall seconds, from how long ago ("1h") or a date and time of this machine's zone."""
    from datetime import datetime

    if text[:1].isdecimal() and text[-1:] in "smhdw":
        return time.time() - flags.duration(text)
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no time: write 90s, 1h, 7d (ago), or 2026-11-21T09:00"
        ) from error

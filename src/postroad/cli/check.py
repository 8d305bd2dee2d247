"""``postroad check``: is a queue within its limits? For monitors: one line, and an exit code."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from postroad.cli import exits, flags
from postroad.cli.engine import look
from postroad.cli.output import age, as_json
from postroad.errors import InvalidOption
from postroad.observe.plaintext import line

if TYPE_CHECKING:
    from postroad.observe.inspect import Inspection
    from postroad.ports.driver import QueueDepth


class Measured(NamedTuple):
    """One figure beside its limit, as people say them. ``ok``: within it."""

    name: str
    value: float | None
    limit: float
    ok: bool
    words: str


def arguments(parser: argparse.ArgumentParser) -> None:
    flags.engine(parser)
    flags.output(parser)
    verbs = parser.add_subparsers(dest="verb", metavar="WHAT", required=True)
    queue = flags.verb(verbs, "queue", "check the backlog of a queue")
    queue.add_argument("queue", metavar="NAME")
    queue.add_argument(
        "--max-age", type=flags.duration, metavar="DURATION", help="the oldest ready message waits no longer, as 60s"
    )
    for name, help in (
        ("--max-length", "no more messages wait (ready and delayed)"),
        ("--max-dead", "it has no more dead letters"),
        ("--min-consumers", "at least so many processes take from it"),
    ):
        queue.add_argument(name, type=whole, metavar="N", help=help)
    letters = flags.verb(verbs, "dead-letters", "check how many dead letters there are")
    letters.add_argument("--max", type=whole, default=0, metavar="N", help="no more of all queues together (0)")


def whole(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of 0 or more")
    return int(text)


def run(options: argparse.Namespace) -> int:
    asked = ("max_age", "max_length", "max_dead", "min_consumers")
    if options.verb == "queue" and all(getattr(options, name) is None for name in asked):
        raise InvalidOption("Say what to check: --max-age 60s, --max-length N, --max-dead N, --min-consumers N.")
    return look(options, lambda inspection: check(inspection, options))


async def check(inspection: Inspection, options: argparse.Namespace) -> int:
    if options.verb == "queue":
        what, found = f"queue {options.queue}", list(of_queue(await inspection.queue(options.queue), options))
    else:
        dead = sum(queue.dead for queue in await inspection.queues())
        what, found = "dead letters", [most("dead", dead, options.max, f"{dead:,} in all queues")]
    say(what, found, options.output)
    return exits.OK if all(one.ok for one in found) else exits.FAILED


def of_queue(queue: QueueDepth, options: argparse.Namespace) -> Iterator[Measured]:
    """Of what was asked for."""
    waiting = queue.ready + queue.delayed
    if options.max_age is not None:
        yield most("age_s", queue.oldest_age_s, options.max_age, f"oldest {age(queue.oldest_age_s)}", "s")
    if options.max_length is not None:
        yield most("length", waiting, options.max_length, f"{waiting:,} waiting")
    if options.max_dead is not None:
        yield most("dead", queue.dead, options.max_dead, f"{queue.dead:,} dead")
    if options.min_consumers is not None:
        enough = queue.consumers >= options.min_consumers
        words = f"{queue.consumers:,} consumers" + ("" if enough else f" (fewer than {options.min_consumers:,})")
        yield Measured("consumers", queue.consumers, options.min_consumers, enough, words)


def most(name: str, value: float | None, limit: float, words: str, unit: str = "") -> Measured:
    """Nothing waiting is no age at all, and so within every limit."""
    ok = value is None or value <= limit
    return Measured(name, value, limit, ok, words if ok else f"{words} (more than {limit:g}{unit})")


def say(what: str, found: list[Measured], output: str) -> None:
    ok = all(one.ok for one in found)
    if output == "text":
        print(line(f"{'OK' if ok else 'EXCEEDED'} {what}: {', '.join(one.words for one in found)}"))
        return
    checks = [{"name": one.name, "value": one.value, "limit": one.limit, "ok": one.ok} for one in found]
    print(as_json({"what": what, "ok": ok, "checks": checks}, indent=2 if output == "json" else 0))

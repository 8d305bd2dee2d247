"""Redriving and purging: a preview, then the act."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from postroad.cli import exits
from postroad.cli.deadletters.choosing import chosen
from postroad.cli.engine import confirmed
from postroad.cli.output import did, note, several

if TYPE_CHECKING:
    from postroad.observe.inspect import Inspection
    from postroad.observe.operate import Acted
    from postroad.ports.driver import DeadLetterFilter


async def redrive(inspection: Inspection, options: argparse.Namespace) -> int:
    pace = f", {options.rate:g} a second" if options.rate else ""
    return await acted(inspection, options, f"send again{pace}", "sent again")


async def purge(inspection: Inspection, options: argparse.Namespace) -> int:
    return await acted(inspection, options, "delete for good", "deleted")


async def acted(inspection: Inspection, options: argparse.Namespace, will: str, past: str) -> int:
    """To the letters that were named, else to all that match."""
    from postroad.observe import operate

    numbers = await operate.numbers_of(inspection, options.references, note)
    if options.references and not numbers:
        return exits.NOT_FOUND
    which = chosen(options)
    total = len(numbers) if options.references else await inspection.engine.count_dead(which)
    some = f"{options.limit:,} of the " if total > options.limit else ""
    code = confirmed(options, f"{will}: {some}{several(total, 'dead letter')}{await kinds(inspection, options, which)}")
    if code is not None:
        return code
    act = operate.Act(options.verb, getattr(options, "rate", None))
    if options.references:
        done = await operate.each(inspection, act, numbers[: options.limit])
    else:
        done = await operate.matching(inspection, act, which, options.limit)
    return told(options, done, past, found=len(numbers))


def told(options: argparse.Namespace, done: Acted, past: str, found: int) -> int:
    did({"count": done.count, "refused": done.refused}, f"{several(done.count, 'dead letter')} {past}", options.output)
    if done.refused:
        note(f"The next one stays a dead letter: {done.refused}")
        return exits.PARTIAL
    return exits.of_found(len(options.references), found) if options.references else exits.OK


async def kinds(inspection: Inspection, options: argparse.Namespace, which: DeadLetterFilter) -> str:
    """The three largest kinds among them, for the preview."""
    if options.references or options.yes:
        return ""
    groups = (await inspection.dead_letter_groups(which))[:3]
    return "".join(f"\n    {group.count:,} x {group.task or group.source}: {group.reason}" for group in groups)

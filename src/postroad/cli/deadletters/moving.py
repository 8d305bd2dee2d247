"""Dead letters written to a file of JSON lines, and taken in from one."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from postroad.cli import exits
from postroad.cli.deadletters.choosing import chosen
from postroad.cli.output import as_json, note, several
from postroad.errors import InvalidOption, NotFound

if TYPE_CHECKING:
    from postroad.observe.inspect import Inspection
    from postroad.ports.driver import DeadLetterRecord

PAGE = 500


async def export(inspection: Inspection, options: argparse.Namespace) -> int:
    """Newest first; every letter once."""
    path = options.path or options.file
    if path is None:
        await write(inspection, options, sys.stdout.write)
        return exits.OK
    with open_new(path) as file:
        count = await write(inspection, options, file.write)
    note(f"wrote {several(count, 'dead letter')} to {path}")
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


async def take_in(inspection: Inspection, options: argparse.Namespace) -> int:
    """All that the file has, oldest first; those that are there already are left out."""
    records = sorted(read(options.path), key=lambda record: record.died_at)
    await refuse_unknown(inspection, {record.source for record in records})
    taken = 0
    for at in range(0, len(records), PAGE):
        taken += await inspection.engine.import_dead(records[at : at + PAGE])
    there = len(records) - taken
    if options.output == "text":
        print(f"{several(taken, 'dead letter')} taken in" + (f", {there:,} were there already" if there else ""))
    else:
        print(as_json({"count": taken, "present": there}, indent=0))
    return exits.OK


def read(path: str) -> list[DeadLetterRecord]:
    """Raises InvalidOption naming the first line that is no dead letter; then nothing is taken in."""
    import msgspec

    from postroad.observe.views import DeadLetterView, record_of

    decoder = msgspec.json.Decoder(DeadLetterView)
    records: list[DeadLetterRecord] = []
    for number, line in enumerate(lines_of(path), 1):
        try:
            if line.strip():
                records.append(record_of(decoder.decode(line)))
        except ValueError as error:
            raise InvalidOption(f"{path}, line {number} is no dead letter as 'export' writes them: {error}") from error
    return records


def lines_of(path: str) -> Iterator[bytes]:
    if path == "-":
        yield from sys.stdin.buffer
        return
    try:
        with Path(path).open("rb") as file:
            yield from file
    except OSError as error:
        raise NotFound(f"{path} cannot be read: {error.strerror or error}.") from error


async def refuse_unknown(inspection: Inspection, sources: set[str]) -> None:
    """Before anything is taken in: a letter must have a queue to come from."""
    missing = sorted(sources - {queue.queue for queue in await inspection.queues()})
    if missing:
        raise NotFound(
            f"There is no queue {missing[0]!r}, from which dead letters of the file come: nothing was taken in. "
            "Declare it first, as with 'postroad topology apply'."
        )

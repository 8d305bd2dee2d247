"""Dead letters written to a file of JSON lines, and taken in from one: the file that `app.dead_letters().export` writes too."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from postroad.cli import exits
from postroad.cli.deadletters.choosing import chosen
from postroad.cli.output import did, escaped, note, several
from postroad.errors import InvalidOption, NotFound

if TYPE_CHECKING:
    from postroad.observe.inspect import Inspection

PAGE = 500


async def export(inspection: Inspection, options: argparse.Namespace) -> int:
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
    """Oldest first, so that an import keeps their order: the pages are found newest first, and written from the last."""
    from postroad.engine.letterfile import written

    which, count = chosen(options), 0
    for before in reversed(await pages(inspection, options)):
        letters = await inspection.engine.dead_letters(which, PAGE, before)
        for letter in reversed(letters):
            out(escaped(written(letter).decode()))
        count += len(letters)
    return count


async def pages(inspection: Inspection, options: argparse.Namespace) -> list[int]:
    """The number that each page's letters are below, the newest page first."""
    starts: list[int] = []
    before: int | None = None
    while letters := await inspection.engine.dead_letters(chosen(options), PAGE, before):
        starts.append(letters[0].number + 1)
        before = letters[-1].number
    return starts


async def take_in(inspection: Inspection, options: argparse.Namespace) -> int:
    """Those that are there already are left out. Raises before anything is taken in, if anything is wrong with the file."""
    from postroad.engine.letterfile import read_letters

    with given(options.path) as file:
        sources = {letter.source for letters in read_letters(file, PAGE) for letter in letters}
        await refuse_unknown(inspection, sources)
        taken, total = 0, 0
        for letters in read_letters(file, PAGE):
            taken += await inspection.engine.import_dead(letters)
            total += len(letters)
    there = total - taken
    words = f"{several(taken, 'dead letter')} taken in" + (f", {there:,} were there already" if there else "")
    did({"count": taken, "present": there}, words, options.output)
    return exits.OK


@contextmanager
def given(path: str) -> Iterator[Path]:
    """The file; standard input is put into one, for it is read again. Raises NotFound."""
    if path != "-":
        if not Path(path).is_file():
            raise NotFound(f"{path} is no file: name one that 'postroad dead-letters export' wrote.")
        yield Path(path)
        return
    import shutil
    import tempfile

    with tempfile.NamedTemporaryFile(suffix=".jsonl") as file:
        shutil.copyfileobj(sys.stdin.buffer, file)
        file.flush()
        yield Path(file.name)


async def refuse_unknown(inspection: Inspection, sources: set[str]) -> None:
    """A letter must have a queue to come from."""
    missing = sorted(sources - {queue.queue for queue in await inspection.queues()})
    if missing:
        raise NotFound(
            f"There is no queue {missing[0]!r}, from which dead letters of the file come: nothing was taken in. "
            "Declare it first, as with 'postroad topology apply'."
        )

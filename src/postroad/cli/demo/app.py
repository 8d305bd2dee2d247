"""The demo's app: three tasks that send each other, and an event that two groups take.

Workers import it as ``postroad.cli.demo.app:app``.
"""

from __future__ import annotations

import sqlite3
import sys
import warnings
from pathlib import Path

import msgspec

from postroad import App, Event, Retry
from postroad.cli.demo import catalogue, heard
from postroad.cli.demo.sources import contents, entries
from postroad.core.ids import id_for_key

QUEUE = "postroad-demo"
TOTALS, LARGEST = heard.GROUPS
GROUP_QUEUES = tuple(f"events.{group}" for group in heard.GROUPS)
BATCH = 100
FILES_MAX = 2_000
"""Files one `scan` sends; a larger folder is scanned in several tasks."""

# The compiler's remarks about other people's code are not the demo's business.
warnings.filterwarnings("ignore", category=SyntaxWarning)

app = App(name="demo")


class Run(msgspec.Struct, frozen=True):
    """One run of the demo: paths as text."""

    id: str
    root: str
    catalogue: str


class Scanned(msgspec.Struct, frozen=True):
    """The result of `scan`."""

    run: str
    files: int


class Indexed(msgspec.Struct, frozen=True):
    """The result of `index_file`. ``mentions``: how many modules it imports, so how many `note_module` it sent."""

    run: str
    lines: int
    words: int
    functions: int
    classes: int
    mentions: int


class Noted(msgspec.Struct, frozen=True):
    """The result of `note_module`."""

    run: str
    module: str
    standard: bool


class FileIndexed(Event, type="file.indexed"):
    """Published with the end of every `index_file` that goes well: neither is there without the other."""

    catalogue: str
    path: str
    lines: int


@app.task(queue=QUEUE)
def scan(run: Run, folder: str, after: str = "") -> Scanned:
    """Send a task for every source file of a folder, and a scan for every subfolder."""
    folders, files = entries(Path(run.root, folder), Path(run.root))
    waiting = [name for name in files if name > after]
    now = waiting[:FILES_MAX]
    if not after:
        app.send_many([scan.s(run, str(Path(folder, name))) for name in folders])
    if len(waiting) > len(now):
        scan.delay(run, folder, now[-1])
    app.send_many([index_file.s(run, str(Path(folder, name))) for name in now])
    return Scanned(run.id, len(now))


# The catalogue takes one writer at a time; who comes second is soon told so, and tries again later.
@app.task(queue=QUEUE, retry=Retry(max=200, base=0.05, factor=1.5, max_delay=1.0, on=(sqlite3.OperationalError,)))
def index_file(run: Run, path: str) -> Indexed:
    """Count what is in a file. One that does not decode ends as a dead letter with the decoder's words."""
    found = contents(Path(run.root, path).read_bytes())
    catalogue.write(Path(run.catalogue), path, found)
    for module in sorted(found.modules):
        # The same module, the same id: the inbox knows it again, and it is handled once.
        note_module.options(id=id_for_key(run.id, module)).delay(run.id, module)
    app.publish(FileIndexed(catalogue=run.catalogue, path=path, lines=found.lines))
    return Indexed(run.id, found.lines, found.words, found.functions, found.classes, len(found.modules))


@app.task(queue=QUEUE)
def note_module(run: str, module: str) -> Noted:
    """Once for every module that is imported anywhere."""
    return Noted(run, module, module.partition(".")[0] in sys.stdlib_module_names)


@app.subscribe(FileIndexed, group=TOTALS)
def add_to_totals(event: FileIndexed) -> None:
    """One file at a time."""
    heard.note(event.catalogue, TOTALS, [(event.path, event.lines)])


@app.subscribe(FileIndexed, group=LARGEST, batch=BATCH, batch_wait=0.05)
def look_for_largest(events: list[FileIndexed]) -> None:
    """Many files at a time."""
    for catalogue_of in {event.catalogue for event in events}:
        rows = [(event.path, event.lines) for event in events if event.catalogue == catalogue_of]
        heard.note(catalogue_of, LARGEST, rows)

"""The demo's app: three tasks that send each other. Workers import it as ``postroad.cli.demo.app:app``."""

from __future__ import annotations

import sqlite3
import sys
import warnings
from pathlib import Path

import msgspec

from postroad import App, Retry
from postroad.cli.demo import catalogue
from postroad.cli.demo.sources import contents, entries
from postroad.core.ids import id_for_key

QUEUE = "postroad-demo"
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
    return Indexed(run.id, found.lines, found.words, found.functions, found.classes, len(found.modules))


@app.task(queue=QUEUE)
def note_module(run: str, module: str) -> Noted:
    """Once for every module that is imported anywhere."""
    return Noted(run, module, module.partition(".")[0] in sys.stdlib_module_names)

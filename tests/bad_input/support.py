"""Real processes and real files for the tests of bad input."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import apsw

from postroad import App, Result
from postroad.core.delivery import Delivery
from postroad.core.message import Address, Message, Send
from postroad.core.topology import Queue, Topology
from postroad.drivers.sqlite.driver import SqliteDriver
from postroad.drivers.sqlite.topology import apply, plan
from postroad.engine.identity import new_id
from postroad.ports.driver import DeadLetterFilter, DeadLetterRecord, Inspectable, Subscription

ROOT = Path(__file__).parents[2]
PROGRAM_S = 18.0
LOOK_EVERY_S = 0.01


def until(condition: Callable[[], Any], what: str, within_s: float = 15.0) -> Any:
    """The condition's first true answer. Fails with ``what`` when it does not come in time."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        answer = condition()
        if answer:
            return answer
        time.sleep(LOOK_EVERY_S)  # between two looks at a condition that only another process can make true
    raise AssertionError(f"not within {within_s:g} s: {what}")


# Programs


def python(source: str, *args: object, within: Sequence[str] = (), cwd: Path | None = None) -> Any:
    """Run a program in a Python of its own, ``within`` a wrapper; the JSON in the last line it prints.

    What it prints beside that, and its errors, are shown when it fails.
    """
    command = [*within, sys.executable, "-c", textwrap.dedent(source), *map(str, args)]
    done = run(command, cwd)
    assert done.returncode == 0, f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
    lines = done.stdout.splitlines()
    return json.loads(lines[-1]) if lines else None


def run(command: Sequence[str], cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """A process that may import these tests, to its end."""
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        command, capture_output=True, text=True, timeout=PROGRAM_S, cwd=cwd, env=env, stdin=subprocess.DEVNULL, check=False
    )


def written(file: Path, source: str) -> Path:
    file.write_text(source)
    return file


def postroad(*words: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run the command line; its exit code and what it wrote."""
    return run([sys.executable, "-m", "postroad", *map(str, words)], cwd)


@functools.cache
def mounting() -> tuple[str, ...] | None:
    """The wrapper in which a program may mount file systems that nobody else sees; None where the system forbids it."""
    for wrapper in (("unshare", "-m"), ("unshare", "-rm")):
        try:
            done = subprocess.run([*wrapper, "mount", "-t", "tmpfs", "none", "/tmp"], capture_output=True, check=False)
        except FileNotFoundError:
            return None
        if done.returncode == 0:
            return wrapper
    return None


# A disk that gets full


class TinyMount:
    """A file system of 2 MiB, which the processes of this mount namespace see and nobody else."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "none", folder], check=True)

    def fill(self) -> None:
        """To the last byte."""
        with (self.folder / "ballast").open("ab", buffering=0) as ballast, contextlib.suppress(OSError):
            while ballast.write(bytes(4096)):
                pass

    def free(self) -> None:
        (self.folder / "ballast").unlink()
        subprocess.run(["mount", "-o", "remount,size=64m", self.folder], check=True)

    def others(self) -> list[tuple[int, str]]:
        """What other processes say that open this engine, or make one, now: exit code and last words."""
        opened = "import sys; from postroad.drivers.sqlite.driver import SqliteDriver; SqliteDriver(sys.argv[1]).open()"
        commands = [[sys.executable, "-c", opened, str(self.folder / name)] for name in ("app.db", "new.db")]
        return [(said.returncode, said.stderr[-500:]) for said in map(run, commands)]


class TinyFiles:
    """Where nothing may be mounted: files that SQLite itself is told cannot grow."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bytes_max = 1 << 21
        self.system = tiny_files(self)

    def fill(self) -> None:
        self.bytes_max = 0

    def free(self) -> None:
        self.bytes_max = 1 << 30

    def others(self) -> list[tuple[int, str]]:
        return []


def tiny_files(disk: TinyFiles) -> apsw.VFS:
    class File(apsw.VFSFile):
        def xWrite(self, data: bytes, offset: int) -> None:
            if offset + len(data) > disk.bytes_max:
                raise apsw.FullError("disk full")
            super().xWrite(data, offset)

    class System(apsw.VFS):
        def xOpen(self, name: Any, flags: Any) -> apsw.VFSFile:
            return File("unix", name, flags)

    return System("tiny", "unix", makedefault=True)


def small_disk(folder: Path, way: str) -> TinyMount | TinyFiles:
    return TinyMount(folder) if way == "mount" else TinyFiles(folder)


# The engine's file

QUEUE = "default"


@contextmanager
def engine(file: Path, *queues: Queue, clock: Callable[[], float] = time.time) -> Iterator[SqliteDriver]:
    """The engine on this file, open in this process, with a queue."""
    driver = SqliteDriver(str(file), clock=clock)
    driver.open()
    try:
        declare(driver, *(queues or (Queue(QUEUE, carries="tasks"),)))
        yield driver
    finally:
        driver.close()


def declare(driver: SqliteDriver, *queues: Queue) -> None:
    """Raises TopologyConflict."""
    topology = Topology(queues)
    driver.call_future(lambda session: apply(session, plan(session, topology))).result()


def call(body: bytes = b"[[],{}]", task: str = "shop.resize", queue: str = QUEUE, **options: Any) -> Send:
    """A task's message, as the engine gets it."""
    options = {"id": new_id(), "track": True, **options}
    return Send(Address(queue), Message(body=body, headers={"postroad-task": task}, queued_at=time.time(), **options))


def put(file: Path, count: int, size_bytes: int = 2) -> list[str]:
    """Make the file with this many messages, and close it; their ids."""
    body = b'["' + b"x" * size_bytes + b'"]'
    with engine(file) as driver:
        return [receipt.id for receipt in driver.publish_wait([call(body) for _ in range(count)])]


def waiting(file: Path) -> int:
    """How many messages are ready or delayed in the file, as this process sees it."""
    with engine(file) as driver:
        return count_waiting(driver)


def count_waiting(driver: SqliteDriver) -> int:
    count = driver.call_future(lambda session: session.value("SELECT count(*) FROM message")).result()
    return int(count)


def depth(app: App) -> int:
    """How many messages wait or run, in all queues."""
    queues = app.ask(lambda driver: cast(Inspectable, driver).queues())
    return sum(queue.ready + queue.delayed + queue.in_flight for queue in queues)


def publish(app: App, *sends: Send) -> list[str]:
    """Messages as another producer writes them, past all checks of a call; their ids."""
    app.engine()
    app.ask(lambda driver: driver.publish(sends))
    return [send.message.id for send in sends]


def letters(app: App, **which: Any) -> Sequence[DeadLetterRecord]:
    """The app's dead letters."""
    return app.ask(lambda driver: cast(Inspectable, driver).dead_letters(DeadLetterFilter(**which), 1000))


def states(app: App, *results: Result[Any]) -> list[str]:
    return [app.result(result.id).status().state for result in results]


class Silent:
    """A listener with nothing to do."""

    def lost(self, held: Sequence[Delivery], why: str) -> None:
        return None

    def state(self, state: str) -> None:
        return None


async def taken(driver: SqliteDriver, limit: int) -> tuple[Delivery, ...]:
    """What a consumer gets in one turn, dead workers' messages taken back before; it gives back all at the end."""
    await driver.sweep()
    consumer = await driver.consume(Subscription((QUEUE,)), Silent())
    try:
        return (await consumer.turn((), limit, 0.0)).deliveries
    finally:
        await consumer.close()


def intact(file: Path, within: Sequence[str] = ()) -> bool:
    """Whether another process, with the standard library's SQLite, finds the file whole."""
    answer = python(
        """
        import json, pathlib, sqlite3, sys
        connection = sqlite3.connect(f"{pathlib.Path(sys.argv[1]).as_uri()}?mode=ro", uri=True)
        try:
            print(json.dumps(connection.execute("PRAGMA integrity_check").fetchall()))
        except sqlite3.DatabaseError as error:
            print(json.dumps(str(error)))
        """,
        file,
        within=within,
    )
    return bool(answer == [["ok"]])


def altered(file: Path, sql: str) -> None:
    """Change the file behind the engine's back: in another process, while nobody has it open."""
    python(
        """
        import sqlite3, sys
        with sqlite3.connect(sys.argv[1]) as connection:
            connection.execute(sys.argv[2])
        connection.close()
        """,
        file,
        sql,
    )


def everything_in(folder: Path) -> dict[str, bytes]:
    """Names and bytes of all files below it."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def says(error: BaseException | str, *words: str) -> None:
    """The message has each of these words."""
    missing = [word for word in words if word not in str(error)]
    assert not missing, f"{missing} not in: {error}"

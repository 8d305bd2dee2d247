"""Processes that are forked, stopped, hang, or open the engine's file a second time; and clocks that are set."""

from __future__ import annotations

import fcntl
import os
import signal
from pathlib import Path

import pytest
from tests.bad_input.conftest import Trees
from tests.bad_input.support import depth, intact, letters, python, says, until
from tests.worker.tree import below, gone, kill

from postroad.errors import TaskDead

pytestmark = pytest.mark.bad_input

SECOND_COPY = """
import json, os, pathlib, sqlite3, subprocess, sys
from urllib.parse import quote
from postroad.drivers.sqlite.driver import SqliteDriver
from postroad.errors import SecondSQLite
from tests.bad_input.support import call, count_waiting, engine, put

file = pathlib.Path(sys.argv[1])
folder = file.parent
put(file, 1)

def refused(what):
    try:
        what()
    except SecondSQLite as error:
        return str(error)
    return "not refused"

def other_process_can_write():
    write = "import sqlite3, sys; sqlite3.connect(sys.argv[1], timeout=0).execute('BEGIN IMMEDIATE')"
    return subprocess.run([sys.executable, "-c", write, file], capture_output=True).returncode == 0

os.chdir(folder)
os.symlink(file, "link.db")
with engine(file) as driver:
    engine_first = [refused(lambda: sqlite3.connect(name, **how)) for name, how in [
        (str(file), {}), (file, {}), (os.fsencode(file), {}), (file.name, {}), ("link.db", {}),
        (f"file:{quote(str(file))}?mode=ro", {"uri": True}), (file.as_uri(), {"uri": True}),
        (f"file:{quote(file.name)}", {"uri": True}),
    ]]
    sqlite3.connect(folder / "mine.db").execute("CREATE TABLE t(x)")
    driver.publish_wait([call()])

mine = sqlite3.connect(file, isolation_level=None)
mine.execute("BEGIN IMMEDIATE")
engine_second = refused(SqliteDriver(str(file)).open)
lock_held = not other_process_can_write()
mine.execute("ROLLBACK")
mine.close()
with engine(file) as driver:
    driver.publish_wait([call()])
    count = count_waiting(driver)
print(json.dumps([engine_first, engine_second, lock_held, count]))
"""


def test_second_sqlite_copy_on_the_file(tmp_path: Path) -> None:
    folder = tmp_path / "my data"
    folder.mkdir()
    file = folder / "app one.db"
    engine_first, engine_second, lock_held, count = python(SECOND_COPY, file)
    for words in (*engine_first, engine_second):
        says(words, str(file), "a second copy of SQLite", "Keep your tables in a file of their own", "postroad queues")
    assert lock_held, "the refusal did not drop the first copy's lock"
    assert count == 3, "the engine went on"
    assert intact(file)


FORK_AFTER_USE = """
import json, os, sys
from postroad import App
app = App("sqlite:///app.db")

@app.task(name="shop.add")
def add(a: int, b: int) -> int:
    return a + b

before = add.delay(1, 2)
told, tell = os.pipe()
asked, ask = os.pipe()
child = os.fork()
if not child:
    ids = [add.delay(number, 0).id for number in range(100)]
    seen = app.result(before.id).status().state
    os.write(tell, b"!")
    os.read(asked, 1)
    ids += [add.delay(number, 0).id for number in range(100)]
    os.write(tell, json.dumps([ids, seen]).encode())
    sys.exit(0)
os.close(tell)
mine = [add.delay(number, 0) for number in range(100)]
os.read(told, 1)
app.close()
os.write(ask, b"!")
ids, seen = json.loads(os.read(told, 100_000))
code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
with app, app.worker(threads=2):
    after = add.delay(3, 4)
    values = [app.result(id).get(timeout=10) for id in (before.id, *ids, *(result.id for result in mine), after.id)]
print(json.dumps([code, seen, values]))
"""

FORKS = """
import multiprocessing, os, signal, sys, time
from postroad import App
app = App("sqlite:///app.db")

@app.task(queue="parcels")
def pack(text: str) -> None: ...

@app.task
def add(a: int, b: int) -> int:
    return a + b

@app.task
def fork(how: str) -> str:
    child = os.fork()
    if child:
        pack.delay(f"{how}: parent")
        os.waitpid(child, 0)
        return "parent"
    if how == "sends":
        pack.delay("sends: child")
        os._exit(0)
    if how == "raises":
        raise ValueError("in the child")
    if how == "exits":
        sys.exit(0)
    return "child"

@app.task
async def afork() -> str:
    child = os.fork()
    if not child:
        return "child"
    os.waitpid(child, 0)
    return "parent"

@app.task
def several() -> int:
    process = multiprocessing.get_context("fork").Process(target=pack.delay, args=("process",))
    process.start()
    process.join()
    return process.exitcode

@app.task
def leaves_one_behind(name: str) -> str:
    if os.path.exists(name):
        return "second run"
    child = os.fork()
    if not child:
        time.sleep(60)
        os._exit(0)
    with open(name, "w") as file:
        file.write(f"{child} {os.getpid()} ")
    time.sleep(60)
    return "first run"
"""


def test_fork_after_first_use_and_in_a_handler(tmp_path: Path, tree: Trees) -> None:
    code, seen_by_child, values = python(FORK_AFTER_USE, cwd=tmp_path)
    assert (code, seen_by_child) == (0, "PENDING")
    assert values == [3, *range(100), *range(100), *range(100), 7], "nothing that either of them sent is lost"
    assert intact(tmp_path / "app.db")

    jobs = tree.module("forks", FORKS)
    worker = tree("forks:app", threads=2, queues=("default",))
    hows = ["sends", "raises", "exits", "returns"]
    assert [jobs.fork.delay(how).get(timeout=10) for how in hows] == ["parent"] * 4
    assert jobs.afork.delay().get(timeout=10) == "parent"
    assert jobs.several.delay().get(timeout=10) == 0
    assert len(worker.children()) == 1
    packed = jobs.app.ask(lambda driver: driver.list_messages("parcels", 100))
    bodies = sorted(message.message.body.decode() for message in packed)
    expected = [*(f"{how}: parent" for how in hows), "sends: child", "process"]
    assert bodies == sorted(f'[["{text}"],{{}}]' for text in expected), "each sent once"

    left = jobs.leaves_one_behind.delay("pids")
    grandchild, child = map(int, until(lambda: read_words(tmp_path / "pids"), "forked"))
    for pid in (worker.process.pid, child):
        kill(pid)
    worker.process.wait()
    try:
        assert not gone(grandchild)
        tree("forks:app", threads=2, queues=("default",))
        assert left.get(timeout=10) == "second run", "the one left behind holds nothing of the dead worker's"
        assert jobs.add.delay(1, 2).get(timeout=10) == 3
    finally:
        kill(grandchild)
    assert not letters(jobs.app)
    assert intact(tmp_path / "app.db")


def read_words(file: Path) -> list[str]:
    """When the last of them is written whole."""
    text = file.read_text() if file.exists() else ""
    return text.split() if text.endswith(" ") else []


CLOCK = """
from tests.bad_input.stepped import step
import json, threading, time
from postroad import App, Retry
from tests.bad_input.support import depth, until

HOUR, DAY = 3600, 86400
app = App("sqlite:///app.db")
ran, gate = [], threading.Event()

@app.task(name="shop.note")
def note(text: str) -> str:
    ran.append(text)
    return text

@app.task(name="shop.hold")
def hold(text: str) -> str:
    ran.append(text)
    gate.wait(10)
    return text

@app.task(name="shop.twice", retry=Retry(max=1, base=0.05, jitter=False))
def twice() -> int:
    ran.append("twice")
    if ran.count("twice") == 1:
        raise OSError("once")
    return ran.count("twice")

seen = {}
with app.worker(threads=2):
    held = hold.delay("held")
    until(lambda: "held" in ran, "running")
    later = note.options(countdown=2 * HOUR).delay("later")
    expiring = note.options(countdown=10 * DAY, expires=12 * DAY).delay("expires")
    early = note.delay("early").id

    step(-DAY)
    first = time.monotonic()
    back = [note.delay(f"back {number}") for number in range(20)]
    seen["back"] = [result.get(timeout=10) for result in back]
    seen["retried"] = twice.delay().get(timeout=10)
    seen["ids grow"] = [early, *(result.id for result in back)] == sorted([early, *(result.id for result in back)])
    seen["scheduled"] = [later.status().state, expiring.status().state]
    step(DAY)
    seen["still scheduled"] = later.status().state
    stepped_at = time.monotonic()
    step(2 * HOUR + 1)
    seen["later"] = later.get(timeout=10)
    seen["late by"] = time.monotonic() - stepped_at
    seen["held"] = held.status().state
    step(12 * DAY)
    try:
        expiring.get(timeout=10)
    except Exception as error:
        seen["expired"] = type(error).__name__
    seen["forward"] = note.delay("forward").get(timeout=10)
    gate.set()
    seen["held ends"] = held.get(timeout=10)
    seen["depth"] = depth(app)
seen["ran"] = ran
app.close()
print(json.dumps(seen))
"""


def test_clock_steps_backwards_and_forwards(tmp_path: Path) -> None:
    seen = python(CLOCK, cwd=tmp_path)
    assert seen["back"] == [f"back {number}" for number in range(20)], "what is sent after the step back is not kept waiting"
    assert seen["retried"] == 2, "nor is a retry"
    assert seen["ids grow"]
    assert seen["scheduled"] == ["SCHEDULED", "SCHEDULED"]
    assert seen["still scheduled"] == "SCHEDULED"
    assert seen["later"] == "later"
    assert seen["late by"] < 2.0, "the step is noticed, not slept through"
    assert seen["held"] == "RUNNING"
    assert seen["expired"] == "TaskExpired"
    assert (seen["forward"], seen["held ends"]) == ("forward", "held")
    assert seen["depth"] == 0
    assert seen["ran"].count("held") == 1, "days on the wall take nothing away from who holds it"
    assert len(seen["ran"]) == len(set(seen["ran"])) + 1, "each ran once, but the one that was retried"
    assert intact(tmp_path / "app.db")


HANGS = """
import ctypes
from pathlib import Path
from postroad import App
app = App("sqlite:///app.db")

@app.task(max_deliveries=1)
def hang(name: str) -> None:
    Path(name).touch()
    ctypes.PyDLL(None).sleep(600)  # PyDLL keeps the GIL: no thread of this process runs meanwhile

@app.task
def add(a: int, b: int) -> int:
    return a + b
"""


def test_hanging_c_call(tmp_path: Path, tree: Trees) -> None:
    jobs = tree.module("hangs", HANGS)
    worker = tree("hangs:app", processes=1, threads=2, stall_limit_s=2)
    (child,) = worker.children()
    hanging = jobs.hang.delay("began")
    until((tmp_path / "began").exists, "hanging")
    neighbours = [jobs.add.delay(number, 1) for number in range(50)]
    assert [result.get(timeout=15) for result in neighbours] == list(range(1, 51))
    with pytest.raises(TaskDead) as dead:
        hanging.get(timeout=10)
    says(dead.value, "hangs.hang", "process died", "max_deliveries=1")
    assert gone(child)
    says(worker.log, f"child {child} stalled", "holds the GIL", "in hang")
    (letter,) = letters(jobs.app)
    assert (letter.message.id, letter.crashes) == (hanging.id, 1)
    assert depth(jobs.app) == 0
    assert intact(tmp_path / "app.db")


STOPS = """
import os, time
from pathlib import Path
from postroad import App, current
app = App("sqlite:///app.db")

@app.task
def wait_for(name: str) -> int:
    with open("ran", "a") as file:
        file.write(f"{current.task.id} {os.getpid()}\\n")
    while not Path(name).exists():
        time.sleep(0.01)
    return os.getpid()

@app.task
def add(a: int, b: int) -> int:
    return a + b
"""


def test_sigstopped_worker(tmp_path: Path, tree: Trees) -> None:
    jobs = tree.module("stops", STOPS)
    ran = tmp_path / "ran"

    # A child alone: its supervisor ends it, and what it held is done by the next.
    worker = tree("stops:app", threads=2, stall_limit_s=2)
    (child,) = worker.children()
    held = jobs.wait_for.delay("go on")
    until(ran.exists, "running")
    os.kill(child, signal.SIGSTOP)
    behind = [jobs.add.delay(number, 1) for number in range(10)]
    (tmp_path / "go on").touch()
    assert [result.get(timeout=15) for result in behind] == list(range(1, 11))
    assert held.get(timeout=10) != child
    assert gone(child)
    says(worker.log, f"child {child} stalled", "a stopped process")
    worker.stop()

    # The whole tree, as by a debugger or a frozen container: others work on, and it ends what it holds when it wakes.
    ran.unlink()
    frozen = tree("stops:app", threads=1)
    (child,) = frozen.children()
    held = jobs.wait_for.delay("wake up")
    until(ran.exists, "running")
    freeze(frozen.process.pid, tmp_path / "app.db-run" / "lock")
    other = tree("stops:app", threads=1)
    assert [jobs.add.delay(number, 2).get(timeout=10) for number in range(10)] == list(range(2, 12))
    assert held.status().state == "RUNNING", "what a living worker holds is not taken from it"
    (tmp_path / "wake up").touch()
    for pid in below(frozen.process.pid):
        os.kill(pid, signal.SIGCONT)
    os.kill(frozen.process.pid, signal.SIGCONT)
    assert held.get(timeout=10) == child
    assert len(ran.read_text().splitlines()) == 1, "it ran once"
    other.stop()
    assert not letters(jobs.app)
    assert depth(jobs.app) == 0
    assert intact(tmp_path / "app.db")


def freeze(supervisor: int, lock: Path) -> None:
    """Stop all its processes, at a moment when none of them has the file's lock: whoever has it stops everybody."""
    pids = [supervisor, *below(supervisor)]

    def stopped_without_the_lock() -> bool:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        with lock.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                for pid in pids:
                    os.kill(pid, signal.SIGCONT)
                return False
        return True

    until(stopped_without_the_lock, "stopped")



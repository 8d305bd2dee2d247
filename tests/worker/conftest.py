"""Real trees of processes on real files; whatever a test leaves behind is killed."""

from __future__ import annotations

import contextlib
import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from tests.worker.tree import Tree, write_module

JOBS = '''
import ctypes, os, signal, subprocess, sys, time
from pathlib import Path
from postroad import App, Retry, current

app = App(f"sqlite:///{Path(__file__).parent}/jobs.db")
HERE = Path(__file__).parent


def note(name, text):
    """One line, whole, whoever else writes."""
    fd = os.open(HERE / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(fd, f"{text}\\n".encode())
    os.close(fd)


@app.task
def add(a: int, b: int) -> int:
    return a + b

@app.task(keep_result=None)
def nap(number: int, seconds: float = 0.1) -> None:
    note("started", number)
    time.sleep(seconds)
    note("ended", f"{number} {time.time()}")

plain = App(app.url, name="plain")

@plain.task(keep_result=None)
def plain_nap(number: int) -> None:
    note("started", number)
    time.sleep(0.1)
    note("ended", f"{number} {time.time()}")

@app.task
def poison() -> None:
    note("poisoned", os.getpid())
    os.kill(os.getpid(), 9)

@app.task
def busy(number: int) -> int:
    """Runs until its file is there."""
    note("busy", number)
    while not (HERE / "go-on").exists():
        time.sleep(0.01)
    return number

@app.task
def hold_the_gil() -> None:
    note("holding", os.getpid())
    ctypes.PyDLL(None).sleep(600)

@app.task
async def block_the_loop() -> None:
    note("holding", os.getpid())
    time.sleep(600)

@app.task
def pid() -> int:
    return os.getpid()

@app.task(executor="process")
def pid_alone() -> int:
    return os.getpid()

@app.task(executor="process", max_deliveries=2)
def poison_alone() -> None:
    note("poisoned", os.getpid())
    os.kill(os.getpid(), 9)

@app.task(executor="process")
def busy_alone() -> None:
    note("alone", os.getpid())
    time.sleep(600)

@app.task
def fork_and_return() -> int:
    """The copy returns too, into code that must not go on for it."""
    copy = os.fork()
    if copy:
        return os.waitpid(copy, 0)[1]
    return -1

@app.task
def terminate_a_copy() -> int:
    """As multiprocessing's terminate() does."""
    copy = os.fork()
    if copy == 0:
        time.sleep(60)
        os._exit(0)
    os.kill(copy, signal.SIGTERM)
    return os.waitpid(copy, 0)[1]

@app.task
def leave_a_grandchild() -> int:
    """A forked copy that outlives its parent for a while."""
    copy = os.fork()
    if copy == 0:
        time.sleep(60)
        os._exit(0)
    return copy

@app.task
def descriptors_of_a_subprocess() -> list[str]:
    code = """if True:
        import os
        for number in os.listdir('/proc/self/fd'):
            try: print(os.readlink(f'/proc/self/fd/{number}'), end='|')
            except OSError: pass
    """
    return subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True).stdout.strip().split("|")
'''

StartTree = Callable[..., Tree]


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[ModuleType]:
    """The app's module, imported here too, to send from."""
    path = write_module(tmp_path, "jobs", JOBS)
    spec = importlib.util.spec_from_file_location("jobs", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["jobs"] = module
    spec.loader.exec_module(module)
    yield module
    module.app.close()
    module.plain.close()
    del sys.modules["jobs"]


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[StartTree]:
    """Starts a worker's tree; all of them end with the test."""
    with contextlib.ExitStack() as trees:

        def start(**options: Any) -> Tree:
            started = Tree(tmp_path, **options)
            trees.callback(started.stop)
            return started

        yield start


@pytest.fixture
def lines(tmp_path: Path) -> Callable[[str], list[str]]:
    """The lines that tasks noted in a file."""

    def read(name: str) -> list[str]:
        path = tmp_path / name
        return path.read_text().splitlines() if path.exists() else []

    return read

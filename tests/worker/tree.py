"""A worker's tree of real processes on a real file, and the app it runs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import msgspec
from tests.worker.handlers import eventually

from postroad.worker.options import WorkerOptions

SERVE = """
import sys, msgspec
from postroad.worker.options import WorkerOptions
from postroad.worker.supervisor import serve
sys.exit(serve(msgspec.json.decode(sys.argv[1], type=WorkerOptions)))
"""


class Tree:
    """One supervisor with its children, in ``folder``, where the app's module lies. ``log``: all that it says."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.folder = folder
        self.ready_file = folder / f"ready-{os.urandom(4).hex()}"
        self.log_path = folder / f"log-{os.urandom(4).hex()}"
        told = WorkerOptions(**{"app": "jobs:app", "ready_file": str(self.ready_file), "log_level": "INFO", **options})
        with self.log_path.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", SERVE, msgspec.json.encode(told).decode()], cwd=folder, stderr=log, stdout=log
            )

    @property
    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    def ready(self, timeout_s: float = 20.0) -> Tree:
        eventually(lambda: self.ready_file.exists() or self.process.poll() is not None, "ready", timeout_s)
        assert self.process.poll() is None, self.log
        return self

    def children(self) -> list[int]:
        return children_of(self.process.pid)

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def wait(self, timeout_s: float = 20.0) -> int:
        """The exit code."""
        try:
            return self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the supervisor did not exit within {timeout_s:g} s:\n{self.log}") from None

    def kill_all(self) -> list[int]:
        """SIGKILL to the supervisor and all below it, as a power cut would."""
        pids = [self.process.pid, *below(self.process.pid)]
        for pid in pids:
            kill(pid)
        self.process.wait()
        return pids

    def stop(self) -> None:
        """For the end of a test: nothing survives."""
        if self.process.poll() is None:
            self.kill_all()


def kill(pid: int, number: int = signal.SIGKILL) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def children_of(pid: int) -> list[int]:
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except OSError:
        return []
    return [int(child) for child in text.split()]


def below(pid: int) -> list[int]:
    """All descendants. Children may be started by any thread."""
    found = []
    try:
        threads = list(Path(f"/proc/{pid}/task").iterdir())
    except OSError:
        return []
    for thread in threads:
        try:
            pids = [int(child) for child in (thread / "children").read_text().split()]
        except OSError:
            continue
        for child in pids:
            found += [child, *below(child)]
    return found


def gone(pid: int) -> bool:
    """Whether this process has ended (a zombie has)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def write_module(folder: Path, name: str, source: str) -> Path:
    path = folder / f"{name}.py"
    path.write_text(textwrap.dedent(source))
    return path

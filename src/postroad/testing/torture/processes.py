"""The processes of a torture: worker trees and producers, started here, killed by their numbers and by no other."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from postroad.errors import PostroadError
from postroad.testing.torture.order import Order
from postroad.testing.torture.tasks import FOLDER

END_TIMEOUT_S = 30.0
TAIL_LINES = 20


def children_of(pid: int) -> list[int]:
    """The process numbers of its children, now."""
    listed = Path(f"/proc/{pid}/task/{pid}/children")
    try:
        return [int(word) for word in listed.read_text().split()]
    except OSError:
        return children_by_ps(pid)


def children_by_ps(pid: int) -> list[int]:
    """The same where the kernel does not list them."""
    table = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    pairs = [line.split() for line in table.splitlines()]
    return [int(child) for child, parent in pairs if int(parent) == pid]


def kill(pid: int) -> bool:
    """SIGKILL; False when it was gone."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
        return True
    return False


class Tree:
    """A worker: supervisor and children, in a session of their own."""

    def __init__(self, url: str, folder: Path, processes: int, threads: int, concurrency: int) -> None:
        command = [sys.executable, "-m", "postroad", "worker", "postroad.testing.torture.tasks:app", "--url", url]
        command += ["-p", str(processes), "-t", str(threads), "-c", str(concurrency), "--drain", "10s"]
        environment = {**os.environ, FOLDER: str(folder)}
        self.log = folder / "log"
        self.known: set[int] = set()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, env=environment
            )

    def children(self) -> list[int]:
        found = children_of(self.process.pid)
        self.known.update(found)
        return found

    def check(self) -> None:
        """Raises PostroadError, with the end of its log, when it has ended by itself."""
        code = self.process.poll()
        if code is not None:
            raise PostroadError(f"A worker ended by itself, with code {code}. Its log ends:\n{tail(self.log)}")

    def kill_child(self, choice: float) -> int:
        """One of the children; answers how many were there to be killed (0 or 1)."""
        found = self.children()
        return int(kill(found[int(choice * len(found))])) if found else 0

    def kill_supervisor(self) -> int:
        """The supervisor alone; answers how many children it leaves behind."""
        left = len(self.children())
        self.process.kill()
        self.process.wait()
        return left

    def kill_all(self) -> int:
        """The supervisor first, that it may start no other child; answers how many children were killed with it."""
        found = self.children()
        os.kill(self.process.pid, signal.SIGSTOP)
        found = sorted({*found, *self.children()})
        self.process.kill()
        killed = sum(kill(pid) for pid in found)
        self.process.wait()
        return killed

    def stop(self) -> int:
        """SIGTERM, and wait; the exit code, -9 when it had to be killed."""
        self.children()
        self.process.terminate()
        try:
            return self.process.wait(END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.kill_all()
            return -signal.SIGKILL

    def abandon(self) -> None:
        """However it stands."""
        if self.process.poll() is None:
            self.kill_all()


class Producer:
    """Sends numbers until it has sent all, or is killed."""

    def __init__(self, order: Order, log: Path) -> None:
        self.order = order
        self.log = log
        with log.open("ab") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "postroad.testing.torture.producer"],
                stdin=subprocess.PIPE, stdout=errors, stderr=errors, start_new_session=True,
            )  # fmt: skip
        assert self.process.stdin is not None
        self.process.stdin.write(msgspec.json.encode(order))
        self.process.stdin.close()

    def ended(self) -> bool:
        """Whether it has sent all. Raises PostroadError, with its last words, when it failed."""
        code = self.process.poll()
        if code:
            raise PostroadError(f"A producer ended with code {code}. The log ends:\n{tail(self.log)}")
        return code == 0

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


def runs(pid: int) -> bool:
    """Whether this child of a worker is still there (and its number is not another program's by now)."""
    try:
        return b"postroad.worker" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def still_running(pids: Sequence[int]) -> list[int]:
    return [pid for pid in pids if runs(pid)]


def tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-TAIL_LINES:])

"""A worker as a process tree of its own, for the demo and the benchmark: started, killed whole, ended in good order."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

from postroad.errors import PostroadError
from postroad.observe import processes

PROCESSES = 2
THREADS = 4
END_TIMEOUT_S = 20.0
TAIL_LINES = 15


class WorkerTree:
    """``postroad worker`` with two children, in a session of its own. ``app``: module:app; ``log``: where its lines go."""

    def __init__(self, app: str, url: str, log: Path) -> None:
        self.app = app
        self.url = url
        self.log = log
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "postroad", "worker", self.app, "--url", self.url]
        command += ["-p", str(PROCESSES), "-t", str(THREADS), "--drain", f"{END_TIMEOUT_S / 2:g}s"]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    @property
    def pid(self) -> int:
        """The supervisor's."""
        return self.process.pid if self.process is not None else 0

    def check(self) -> None:
        """Raises PostroadError, with the end of its log, when it has ended by itself."""
        if self.process is not None and self.process.poll() is not None:
            raise PostroadError(f"The worker ended with code {self.process.returncode}. Its log ends:\n{self.tail()}")

    def kill(self) -> int:
        """SIGKILL to the supervisor and all its children. Answers how many processes that were."""
        if self.process is None:
            return 0
        pids = [self.pid] if self.process.poll() is None else []
        if pids:
            os.kill(self.pid, signal.SIGSTOP)  # it starts no more children from here on
            pids = processes.tree(self.pid)
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.reap(END_TIMEOUT_S)
        return len(pids)

    def end(self) -> int:
        """SIGTERM; the exit code once it has drained, or -9 when it had to be killed."""
        if self.process is None:
            return 0
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.reap(END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.kill()
            return -signal.SIGKILL

    def reap(self, timeout_s: float) -> int:
        """Wait for the supervisor's end."""
        assert self.process is not None
        code = self.process.wait(timeout_s)
        self.process = None
        return code

    def tail(self) -> str:
        """The last lines of the log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-TAIL_LINES:])

"""An example's folder, copied to where it may leave its files, with its programs run as its page says."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

EXAMPLES = Path(__file__).parents[2] / "examples"
PROGRAM_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 30.0


class Example:
    """``folder``: the copy. Programs run in it, as in a terminal of its own."""

    def __init__(self, name: str, place: Path) -> None:
        self.folder = place / name
        self.folder.mkdir()
        for program in (EXAMPLES / name).glob("*.py"):
            shutil.copy(program, self.folder)
        self.log = place / "worker.log"

    def run(self, program: str, *words: object) -> list[str]:
        """``python program words``: the lines it printed. It must succeed."""
        done = self.program([sys.executable, program, *map(str, words)])
        assert done.returncode == 0, (
            f"{program}: exit code {done.returncode}\n{done.stdout}\n{done.stderr}\n{self.said()}"
        )
        return done.stdout.splitlines()

    def postroad(self, *words: object, code: int = 0) -> str:
        """``postroad words``: what it printed."""
        done = self.program([sys.executable, "-m", "postroad", *map(str, words)])
        assert done.returncode == code, f"postroad {words}: exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def program(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=PROGRAM_TIMEOUT_S,
            check=False,
            env=self.environment,
        )

    @contextmanager
    def worker(self, *flags: object) -> Iterator[subprocess.Popen[bytes]]:
        """``postroad worker app:app flags`` until the block ends; then it drains and must end well."""
        command = [sys.executable, "-m", "postroad", "worker", "app:app", *map(str, flags)]
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                command, cwd=self.folder, stdout=log, stderr=log, env=self.environment, start_new_session=True
            )
        try:
            yield process
            process.terminate()
            assert process.wait(STOP_TIMEOUT_S) == 0, self.said()
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"}

    def said(self) -> str:
        """What the workers wrote."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def lines(self, name: str) -> list[str]:
        """Of a file that the example writes; none before it is there."""
        file = self.folder / name
        return file.read_text().splitlines() if file.exists() else []

    def until(self, holds: Callable[[], Any], timeout_s: float = 30.0) -> Any:
        """Look again until it holds: for what happens in the worker. Its answer."""
        deadline = time.monotonic() + timeout_s
        while not (answer := holds()):
            assert time.monotonic() < deadline, (
                f"did not come about within {timeout_s:g} s; the workers said:\n{self.said()}"
            )
            time.sleep(0.02)
        return answer

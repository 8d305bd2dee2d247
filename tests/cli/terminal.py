"""The real command line, run as users run it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

TIMEOUT_S = 60.0
WORKER_TIMEOUT_S = 20.0


class Said:
    """What a command answered."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code = code
        self.out = out
        self.err = err

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        """Of jsonl."""
        return [json.loads(line) for line in self.out.splitlines()]

    def expect(self, code: int) -> Said:
        assert self.code == code, f"exit code {self.code}\n{self.out}\n{self.err}"
        assert "Traceback" not in self.err
        return self


class Terminal:
    """A folder in which commands are run. ``url``: the engine, by $POSTROAD_URL."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "shop.db"
        self.url = f"sqlite:///{self.file}"

    def environment(self, more: dict[str, str]) -> dict[str, str]:
        return {**os.environ, "POSTROAD_URL": self.url, "PYTHONUNBUFFERED": "1", **more}

    def command(self, words: tuple[object, ...]) -> list[str]:
        return [sys.executable, "-m", "postroad", *(str(word) for word in words)]

    def run(self, *words: object, **environment: str) -> Said:
        done = subprocess.run(
            self.command(words),
            capture_output=True,
            text=True,
            cwd=self.folder,
            timeout=TIMEOUT_S,
            check=False,
            env=self.environment(environment),
        )
        return Said(done.returncode, done.stdout, done.stderr)

    @contextmanager
    def started(self, *words: object, **options: Any) -> Iterator[subprocess.Popen[str]]:
        """A command that goes on by itself; what is left of it is killed."""
        process = subprocess.Popen(
            self.command(words),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.folder,
            env=self.environment({}),
            start_new_session=True,
            **options,
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


def until(holds: Callable[[], Any], timeout_s: float = WORKER_TIMEOUT_S) -> Any:
    """Look again until it holds: for what happens in another process. Its answer."""
    deadline = time.monotonic() + timeout_s
    while not (answer := holds()):
        assert time.monotonic() < deadline, f"did not come about within {timeout_s:g} s"
        time.sleep(0.02)
    return answer

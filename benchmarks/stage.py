"""A stage: one contestant's turn, with a fresh folder, an emptied Redis, its producers and workers."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from benchmarks import marks, processtree, redis_server
from benchmarks.contestant import FILE_VARIABLE, REDIS_VARIABLE, Contestant, python
from benchmarks.errors import BenchmarkError, Stalled

ROOT = Path(__file__).resolve().parent.parent
PRODUCE_TIMEOUT_S = 300.0
STOP_TIMEOUT_S = 8.0
STALL_TIMEOUT_S = 45.0
POLL_S = 0.01
LOG_TAIL_CHARACTERS = 2_000


class Stage:
    """Where one contestant runs."""

    def __init__(self, contestant: Contestant, folder: Path, marks_path: Path, redis_url: str) -> None:
        self.contestant = contestant
        self.marks_path = marks_path
        self.file = folder / "tasks.db"
        self._log = folder / "workers.log"
        self._environment = _environment(contestant, self.file, marks_path, redis_url)
        self._workers: list[subprocess.Popen[bytes]] = []

    def produce(self, verb: str, **arguments: object) -> Any:
        """Call a verb of `benchmarks.producer` in a process of its own; what it returns came as JSON."""
        with self.producing(verb, **arguments) as process:
            return answer(process)

    @contextmanager
    def producing(self, verb: str, **arguments: object) -> Iterator[subprocess.Popen[str]]:
        command = python("benchmarks.producer", self.contestant.module, verb, json.dumps(arguments))
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        with subprocess.Popen(command, cwd=ROOT, env=self._environment, **pipes) as process:
            try:
                yield process
            finally:
                process.kill()

    def start(self, processes: int = 2, threads: int = 5) -> None:
        """Start the workers, each command in a process group of its own."""
        with self._log.open("ab") as log:
            for command in self.contestant.commands(processes, threads):
                self._workers.append(self._started(command, log))

    def _started(self, command: list[str], log: IO[bytes]) -> subprocess.Popen[bytes]:
        streams: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log}
        return subprocess.Popen(command, cwd=ROOT, env=self._environment, start_new_session=True, **streams)

    def tree(self) -> list[int]:
        """Every process of the workers, supervisors included."""
        return processtree.with_descendants(worker.pid for worker in self._workers)

    def await_marks(self, count: int) -> None:
        """Return when so many handlers ran; fail when nothing moves any more."""
        self.await_until(lambda: marks.count(self.marks_path) >= count, f"{count} marks")

    def await_until(self, done: Callable[[], bool], what: str) -> None:
        seen, since = -1, time.monotonic()
        while not done():
            time.sleep(POLL_S)
            now_seen = marks.count(self.marks_path)
            if now_seen != seen:
                seen, since = now_seen, time.monotonic()
            self._fail_if_stalled(what, seen, since)

    def _fail_if_stalled(self, what: str, seen: int, since: float) -> None:
        ended = [worker for worker in self._workers if worker.poll() is not None]
        if not ended and time.monotonic() - since < STALL_TIMEOUT_S:
            return
        why = f"a worker ended with code {ended[0].returncode}" if ended else f"nothing ran for {STALL_TIMEOUT_S:.0f} s"
        raise Stalled(
            f"{self.contestant.name}: waited for {what}, saw {seen} marks, then {why}. "
            f"Its workers' log ends:\n{self.log_tail()}"
        )

    def log_tail(self) -> str:
        return self._log.read_text(errors="replace")[-LOG_TAIL_CHARACTERS:] if self._log.exists() else "(empty)"

    def stop(self) -> None:
        """Ask the workers to end; what has not ended in time is killed."""
        tree = self.tree()
        for worker in self._workers:
            if worker.poll() is None:
                worker.send_signal(signal.SIGTERM)
        if not processtree.await_end(tree, STOP_TIMEOUT_S):
            processtree.kill(tree)
        self._reap()

    def kill(self) -> None:
        """SIGKILL of the whole tree."""
        processtree.kill(self.tree())
        self._reap()

    def _reap(self) -> None:
        for worker in self._workers:
            worker.wait()
        self._workers.clear()


@contextmanager
def stage(contestant: Contestant, redis_url: str) -> Iterator[Stage]:
    """Set a stage, and clear it whatever happens on it."""
    folder = Path(tempfile.mkdtemp(prefix="benchmark-"))
    memory = Path(tempfile.mkdtemp(prefix="benchmark-", dir=_memory_folder()))
    if contestant.redis:
        redis_server.flush(redis_url)
    turn = Stage(contestant, folder, memory / "marks", redis_url)
    try:
        yield turn
    finally:
        turn.kill()
        shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(memory, ignore_errors=True)


def answer(process: subprocess.Popen[str]) -> Any:
    """What a producer found, once it has ended."""
    try:
        printed, complaint = process.communicate(timeout=PRODUCE_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        raise BenchmarkError(f"a producer took more than {PRODUCE_TIMEOUT_S:.0f} s: {process.args!r}") from None
    if process.returncode:
        raise BenchmarkError(f"a producer failed: {process.args!r}\n{complaint[-LOG_TAIL_CHARACTERS:]}")
    return json.loads(printed.splitlines()[-1])


def _memory_folder() -> str | None:
    """Marks belong on no disk: a sync of a contestant's file would carry them along."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def _environment(contestant: Contestant, file: Path, marks_path: Path, redis_url: str) -> dict[str, str]:
    search = [str(ROOT), os.environ.get("PYTHONPATH", "")]
    return {
        **os.environ,
        **contestant.environment,
        "PYTHONPATH": os.pathsep.join(filter(None, search)),
        marks.MARKS_VARIABLE: str(marks_path),
        FILE_VARIABLE: str(file),
        REDIS_VARIABLE: redis_url,
    }

"""The processes that the harness started: descendants, memory and CPU time from /proc; ending them by pid."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
POLL_S = 0.02


def parents() -> dict[int, int]:
    """pid -> parent pid, of every process that can be seen."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            fields = _stat(int(entry.name))
            if fields:
                found[int(entry.name)] = int(fields[1])
    return found


def with_descendants(roots: Iterable[int]) -> list[int]:
    """The given processes and all that descend from them."""
    tree = list(roots)
    above = parents()
    for pid in tree:
        tree.extend(child for child, parent in above.items() if parent == pid and child not in tree)
    return [pid for pid in tree if pid in above]


def alive(pid: int) -> bool:
    fields = _stat(pid)
    return bool(fields) and fields[0] != "Z"


def kill(pids: Iterable[int]) -> None:
    """SIGKILL: what a lost machine or the out-of-memory killer does."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def await_end(pids: Iterable[int], timeout_s: float) -> bool:
    """Whether all had ended before the time was over."""
    deadline = time.monotonic() + timeout_s
    waiting = [pid for pid in pids if alive(pid)]
    while waiting and time.monotonic() < deadline:
        time.sleep(POLL_S)
        waiting = [pid for pid in waiting if alive(pid)]
    return not waiting


def pss_mb(pids: Iterable[int]) -> float:
    """Memory with shared pages divided among those who share them."""
    return sum(_field_kb(Path(f"/proc/{pid}/smaps_rollup"), "Pss:") for pid in pids) / 1024


def rss_mb(pids: Iterable[int]) -> float:
    return sum(_field_kb(Path(f"/proc/{pid}/status"), "VmRSS:") for pid in pids) / 1024


def cpu_s(pids: Iterable[int]) -> float:
    """User and system time of these processes since they began."""
    return sum(sum(map(int, fields[11:13])) for fields in map(_stat, pids) if fields) / TICKS_PER_S


def _field_kb(path: Path, name: str) -> int:
    with suppress(OSError):
        for line in path.read_text().splitlines():
            if line.startswith(name):
                return int(line.split()[1])
    return 0


def _stat(pid: int) -> list[str]:
    """The fields after the command's name, which may itself hold spaces and brackets."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return []

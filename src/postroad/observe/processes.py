"""What the operating system says of a process on this machine."""

from __future__ import annotations

import subprocess
from pathlib import Path

PROC = Path("/proc/self/stat")
STATES = {"T": "stopped", "t": "stopped", "Z": "gone", "X": "gone"}


def state(pid: int) -> str:
    """``running``, ``stopped`` (SIGSTOP, or held by a debugger) or ``gone``."""
    letter = from_proc(pid) if PROC.exists() else from_ps(pid)
    return STATES.get(letter, "running") if letter else "gone"


def tree(root: int) -> list[int]:
    """This process and all that descend from it, parents first."""
    parents = parents_from_proc() if PROC.exists() else parents_from_ps()
    found = [root]
    for pid in found:
        found += [child for child, parent in parents.items() if parent == pid]
    return found


def parents_from_proc() -> dict[int, int]:
    """Every process's parent."""
    pids = [int(folder.name) for folder in PROC.parents[1].iterdir() if folder.name.isdecimal()]
    return {pid: int(fields[1]) for pid in pids if (fields := stat_fields(pid))}


def parents_from_ps() -> dict[int, int]:
    answer = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=False)
    return {int(pid): int(parent) for pid, parent in (line.split() for line in answer.stdout.splitlines())}


def from_proc(pid: int) -> str:
    fields = stat_fields(pid)
    return fields[0] if fields else ""


def stat_fields(pid: int) -> list[str]:
    """State, parent, process group, ...: what stands behind the name, which may itself hold spaces and brackets."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return []
    return text.rpartition(")")[2].split()


def from_ps(pid: int) -> str:
    """Where there is no /proc (macOS)."""
    command = ["ps", "-o", "state=", "-p", str(pid)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    return answer.stdout.strip()[:1]

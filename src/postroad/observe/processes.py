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


def from_proc(pid: int) -> str:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return ""
    return text.rpartition(")")[2].split()[0]


def from_ps(pid: int) -> str:
    """Where there is no /proc (macOS)."""
    command = ["ps", "-o", "state=", "-p", str(pid)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    return answer.stdout.strip()[:1]

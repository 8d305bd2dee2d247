"""What the figures were taken on, and with which versions."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks.contestant import Contestant
from benchmarks.errors import Missing
from benchmarks.redis_server import server_version

ALSO_SHOWN = ("apsw", "msgspec", "kombu", "hiredis")
SYNCS = 500
BLOCK = b"\0" * 4096


def describe() -> dict[str, str]:
    return {
        "cores": str(len(os.sched_getaffinity(0))),
        "processor": _processor(),
        "kernel": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "load before": f"{os.getloadavg()[0]:.1f}",
    }


def versions(contestants: list[Contestant]) -> dict[str, str]:
    """Package -> version, of all that take part. Raises Missing when one is not installed."""
    names = {name for contestant in contestants for name in contestant.packages}
    missing = sorted(name for name in names if not _version(name))
    if missing:
        raise Missing(
            f"not installed: {', '.join(missing)}. Postroad is compared with its peers, so all must be "
            "there: run `make bench`, which installs them, or choose with --contestants."
        )
    found = {name: _version(name) for name in sorted(names.union(ALSO_SHOWN)) if _version(name)}
    redis = {"redis-server": server_version()} if any(contestant.redis for contestant in contestants) else {}
    return found | sqlite_versions() | redis


def sqlite_versions() -> dict[str, str]:
    import sqlite3

    import apsw

    return {"SQLite of apsw": apsw.sqlite_lib_version(), "SQLite of Python": sqlite3.sqlite_version}


def sync_us(folder: Path) -> float:
    """How long one synced write of a page takes: what a durable commit cannot be faster than."""
    from benchmarks.marks import now_ns

    path = folder / "sync-probe"
    file = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        started_ns = now_ns()
        for _ in range(SYNCS):
            os.pwrite(file, BLOCK, 0)
            os.fdatasync(file)
        return (now_ns() - started_ns) / SYNCS / 1_000
    finally:
        os.close(file)
        path.unlink()


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""

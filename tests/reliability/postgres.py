"""A real PostgreSQL for these tests: the one that is named, else one of scripts/services."""

from __future__ import annotations

import fcntl
import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NAMED = os.environ.get("POSTROAD_TEST_POSTGRES_URL")
REQUIRED = "postgres" in re.split(r"[,\s]+", os.environ.get("POSTROAD_REQUIRE", ""))
COMMAND = "scripts/services up postgres"


def url() -> str:
    """Skips where there is none; fails where POSTROAD_REQUIRE names it."""
    if NAMED:
        return NAMED
    done = started()
    found = re.search(r"postgresql://\S+", done.stdout)
    if done.returncode == 0 and found is not None:
        return found[0]
    words = f"no PostgreSQL: {COMMAND} said: {done.stderr.strip()} (or name one: POSTROAD_TEST_POSTGRES_URL)"
    if REQUIRED:
        pytest.fail(words)
    pytest.skip(words)


def started() -> subprocess.CompletedProcess[str]:
    """By one test process at a time. What is not installed is installed only where the service is required."""
    folder = ROOT / ".services"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        env = os.environ if REQUIRED else {**os.environ, "POSTROAD_SERVICES_INSTALL": "no"}
        return subprocess.run(
            COMMAND.split(), cwd=ROOT, capture_output=True, text=True, timeout=110, check=False, env=env
        )

"""A Redis server of the harness's own: loopback, a free port, a temporary folder, nothing persisted."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.errors import BenchmarkError, Missing

READY_TIMEOUT_S = 10.0
INSTALL_TIMEOUT_S = 300.0
STOP_TIMEOUT_S = 5.0


@contextmanager
def redis_server() -> Iterator[str]:
    """Start a server, give its URL, and end it by its pid."""
    program = _program()
    with tempfile.TemporaryDirectory(prefix="benchmark-redis-") as folder:
        port = free_port()
        process = subprocess.Popen(_command(program, port, folder), stdout=subprocess.DEVNULL)
        try:
            _await_ready(process, port)
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            _stop(process)


def server_version() -> str:
    printed = subprocess.run([_program(), "--version"], capture_output=True, text=True, timeout=10).stdout
    return next((word[2:] for word in printed.split() if word.startswith("v=")), "unknown")


def flush(url: str) -> None:
    """Empty the server between two contestants."""
    from redis import Redis

    with Redis.from_url(url) as client:
        client.flushall()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _command(program: str, port: int, folder: str) -> list[str]:
    return [
        program,
        "--port",
        str(port),
        "--bind",
        "127.0.0.1",
        "--dir",
        folder,
        "--save",
        "",
        "--appendonly",
        "no",
    ]


def _program() -> str:
    found = shutil.which("redis-server")
    if not found and os.geteuid() == 0 and shutil.which("apt-get"):
        subprocess.run(["apt-get", "install", "-y", "redis-server"], capture_output=True, timeout=INSTALL_TIMEOUT_S)
        found = shutil.which("redis-server")
    if not found:
        raise Missing(
            "redis-server was not found, and the peers need it. Install it (Debian: apt-get install -y "
            "redis-server) or leave the peers out with --contestants."
        )
    return found


def _await_ready(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + READY_TIMEOUT_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise BenchmarkError(
                f"redis-server ended at once with code {process.returncode}: start it by hand to see why."
            )
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise BenchmarkError(
        f"redis-server did not listen on port {port} within {READY_TIMEOUT_S:.0f} s; is the machine busy?"
    )


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()

"""Seats: a file flocked by child and supervisor while they live. A free lock means dead, at once and for certain."""

from __future__ import annotations

import fcntl
import os
import secrets
from pathlib import Path

from postroad.core.slots import file_bytes, running
from postroad.drivers.sqlite.filesystem import allocate
from postroad.ports.driver import Seat

BOOT = Path("/proc/sys/kernel/random/boot_id")


def boot_id() -> str:
    """Which run of this machine's kernel; "" where it does not say."""
    return BOOT.read_text().strip() if BOOT.exists() else ""


def new_seat(folder: Path, slots: int) -> Seat:
    """A lock file and a file of free start slots; the lock is this process's and is inherited with the descriptor."""
    name = secrets.token_hex(6)
    fd = os.open(lock_path(folder, name), os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        make_slots(slots_path(folder, name), slots)
    except BaseException:
        remove(folder, name)
        os.close(fd)
        raise
    return Seat(name, fd, str(slots_path(folder, name)), slots)


def make_slots(path: Path, slots: int) -> None:
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        allocate(fd, file_bytes(slots))
    finally:
        os.close(fd)


def memory_seat(slots: int) -> Seat:
    """For an engine that ends with its process: there is nothing to lock."""
    return Seat(secrets.token_hex(6), -1, "", slots)


def lock_path(folder: Path, name: str) -> Path:
    return folder / f"h-{name}"


def slots_path(folder: Path, name: str) -> Path:
    return folder / f"s-{name}"


def is_free(folder: Path, name: str) -> bool:
    """Whether nobody alive sits there."""
    try:
        fd = os.open(lock_path(folder, name), os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(fd)
    return True


def running_in(folder: Path, name: str, boot: str) -> list[tuple[int, int]] | None:
    """(token, seq) of the handlers that ran there; None when the machine was restarted since or the file is gone."""
    if boot != boot_id():
        return None
    try:
        return running(slots_path(folder, name).read_bytes())
    except FileNotFoundError:
        return None


def remove(folder: Path, name: str) -> None:
    lock_path(folder, name).unlink(missing_ok=True)
    slots_path(folder, name).unlink(missing_ok=True)

"""What happened, noted outside the engine: a file per process, records of one size, each appended by one write.

A write of this size to a local file is whole or not there, whatever kills the process.
"""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from postroad.errors import EngineError

RECORD = struct.Struct("<QQQQ")
ATTEMPTED, CONFIRMED, STARTED, ENDED = 1, 2, 3, 4

WORKERS, PRODUCERS, SUBSCRIBERS = "worker", "producer", "subscriber"


class Recorder:
    """This process's file in the folder. From any thread."""

    def __init__(self, folder: Path, who: str) -> None:
        path = folder / f"{who}-{os.getpid()}"
        self.fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def note(self, event: int, messages: Iterable[tuple[int, int]]) -> None:
        """One write for all of these (number, nonce)."""
        now = time.time_ns()
        os.write(self.fd, b"".join(RECORD.pack(event, number, nonce, now) for number, nonce in messages))


def read(folder: Path, who: str) -> Iterator[tuple[int, int, int]]:
    """Every (event, number, nonce) that these processes noted."""
    for path in sorted(folder.glob(f"{who}-*")):
        image = path.read_bytes()
        if len(image) % RECORD.size:
            raise EngineError(f"{path} ends within a record: the folder must be on a local disk with room. Run it again.")
        yield from ((event, number, nonce) for event, number, nonce, _ns in RECORD.iter_unpack(image))


def count(folder: Path, who: str) -> int:
    """How many records there are, by the sizes of the files."""
    return sum(path.stat().st_size for path in folder.glob(f"{who}-*")) // RECORD.size

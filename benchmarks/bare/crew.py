"""Threads that run handlers, fed in batches over queues: no lock, timer or future per task."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from queue import SimpleQueue

import msgspec

from benchmarks.bare.turn import Row
from benchmarks.marks import mark

_decode = msgspec.json.Decoder(tuple[tuple[int], dict[str, int]]).decode

Rows = Sequence[Row]


def noop(number: int) -> int:
    mark(0)
    return number


class Crew:
    """A few threads and two queues: shares of a batch go in, word that each is done comes out."""

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._work: SimpleQueue[Rows] = SimpleQueue()
        self._done: SimpleQueue[BaseException | None] = SimpleQueue()
        for _ in range(threads):
            threading.Thread(target=self._run, daemon=True).start()

    def run(self, rows: Rows) -> None:
        """Run a batch, a share on each thread; return when all are done."""
        shares = [share for index in range(self._threads) if (share := rows[index :: self._threads])]
        for share in shares:
            self._work.put(share)
        for _ in shares:
            failure = self._done.get()
            if failure:
                raise failure

    def _run(self) -> None:
        while True:
            share = self._work.get()
            try:
                for row in share:
                    arguments, keywords = _decode(row[3])
                    noop(*arguments, **keywords)
                self._done.put(None)
            except BaseException as failure:
                self._done.put(failure)

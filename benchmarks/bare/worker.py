"""The bare loop's worker: `python -m benchmarks.bare.worker PROCESSES THREADS BATCH`."""

from __future__ import annotations

import subprocess
import sys
import time

from benchmarks.apps import file
from benchmarks.bare.crew import Crew
from benchmarks.bare.turn import Batch, Turns
from benchmarks.contestant import python

SWITCH_INTERVAL_S = 0.0005
IDLE_POLL_S = 0.005


def loop(threads: int, batch: int) -> None:
    """Claim, run, settle with the next claim, until ended from outside."""
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    turns, crew = Turns(file()), Crew(threads)
    held: Batch | None = None
    while True:
        held = turns.turn(held, batch)
        if held.rows:
            crew.run(held.rows)
        else:
            time.sleep(IDLE_POLL_S)


def supervise(processes: int, threads: int, batch: int) -> None:
    command = python("benchmarks.bare.worker", 1, threads, batch)
    children = [subprocess.Popen(command) for _ in range(processes)]
    for child in children:
        child.wait()


def main() -> None:
    processes, threads, batch = map(int, sys.argv[1:])
    if processes == 1:
        loop(threads, batch)
    else:
        supervise(processes, threads, batch)


if __name__ == "__main__":
    main()

"""A queue of 1,000 between a producer at full speed and a slow consumer: it never holds more, and everything adds up."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from postroad import App

ROUNDS = int(os.environ.get("POSTROAD_STRESS", "1"))
ROOM = 1_000
COUNT = 2_000 if ROUNDS == 1 else 15_000
PAUSE_S = 0.0005
DEADLINE_S = 60.0 if ROUNDS == 1 else 240.0
RSS_GROWTH_MAX = 24 * 1024 * 1024

pytestmark = [pytest.mark.conformance, pytest.mark.slow, *([pytest.mark.stress] if ROUNDS > 1 else [])]

PRODUCER = """
import json, os, sys, time
from postroad import App
from postroad.errors import QueueFull

app = App(sys.argv[1])
overflow, room, count = sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
queue = app.queue("bounded", max_length=room, overflow=overflow)

def rss_bytes():
    try:
        with open("/proc/self/statm") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0

raised = 0
samples = []
started_at = time.monotonic()
for number in range(count):
    while True:
        try:
            queue.put({"n": number, "filling": "x" * 1_000})
            break
        except QueueFull:
            raised += 1
            time.sleep(0.001)
    if number % 200 == 199:
        samples.append(rss_bytes())
print(json.dumps({"raised": raised, "rss": samples, "seconds": time.monotonic() - started_at}))
app.close()
"""


class Run:
    """One producer to its end. ``depths``: what was seen meanwhile."""

    def __init__(self, file: Path, overflow: str) -> None:
        self.app = App(f"sqlite:///{file}")
        self.queue = self.app.queue("bounded", max_length=ROOM, overflow=overflow)
        self.overflow = overflow
        self.taken: list[int] = []
        self.depths: list[int] = []
        self.gate = threading.Event()

        @self.queue.consumer(prefetch=20)
        def handle(body: dict[str, Any]) -> None:
            self.gate.wait(DEADLINE_S)
            time.sleep(PAUSE_S)  # what makes the consumer the slow one
            self.taken.append(body["n"])

    def produce(self) -> dict[str, Any]:
        """What the producer tells; the depth is looked at without a pause while it runs, the consumer starts when it is full."""
        command = [sys.executable, "-c", PRODUCER, self.app.url, self.overflow, str(ROOM), str(COUNT)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as producer, self.sampling():
            assert producer.stdout is not None
            told = producer.stdout.read()
        assert producer.returncode == 0
        answer: dict[str, Any] = json.loads(told)
        return answer

    @contextmanager
    def sampling(self) -> Iterator[None]:
        ended = threading.Event()

        def sample() -> None:
            while not ended.is_set():
                self.depths.append(self.queue.depth())
                if self.depths[-1] >= ROOM:
                    self.gate.set()

        sampler = threading.Thread(target=sample)
        sampler.start()
        try:
            yield
        finally:
            ended.set()
            sampler.join()

    def dead(self) -> int:
        return self.app.dead_letters(self.queue).count()

    def until(self, holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + DEADLINE_S
        while not holds():
            assert time.monotonic() < deadline, (
                f"{len(self.taken)} taken, {self.dead()} dead, {self.queue.depth()} waiting"
            )
            time.sleep(0.01)


@pytest.mark.timeout(2 * DEADLINE_S)
@pytest.mark.parametrize("overflow", ["block", "reject", "drop_oldest"])
def test_a_producer_at_full_speed(overflow: str, tmp_path: Path) -> None:
    run = Run(tmp_path / "app.db", overflow)
    with run.app, run.app.worker(threads=1):
        told = run.produce()
        run.until(lambda: len(run.taken) + run.dead() >= COUNT)
        run.until(lambda: run.queue.depth() == 0)
        assert max(run.depths) == ROOM, "it was full, and never more than that"
        assert len(run.taken) + run.dead() == COUNT, "what was produced is what was handled, what died and what waits"
        letters = run.app.dead_letters(run.queue).peek(COUNT)
    dead = [json.loads(letter.message.body)["n"] for letter in letters]
    assert sorted([*run.taken, *dead]) == list(range(COUNT))
    assert run.taken == sorted(run.taken)
    grown = max(told["rss"]) - told["rss"][0]
    assert grown < RSS_GROWTH_MAX, f"the producer's memory grew by {grown:,} bytes"
    if overflow == "drop_oldest":
        assert dead
        assert {letter.error_type for letter in letters} == {"Overflow"}
        assert told["raised"] == 0
    else:
        assert not dead
        assert (told["raised"] > 0) == (overflow == "reject")
        assert told["seconds"] > PAUSE_S * (COUNT - ROOM - 50), "it was as slow as the consumer: that is the point"

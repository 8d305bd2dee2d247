"""What the benchmark runs. Workers import it as ``postroad.cli.bench.app:app``."""

from __future__ import annotations

import time

from postroad import App

app = App(name="bench")


@app.task(queue="postroad-bench", keep_result=None)
def nothing(number: int) -> None:
    """A task that does nothing."""


@app.task(queue="postroad-bench")
def elapsed(sent_ns: int) -> int:
    """Nanoseconds from the call of `delay` to here. All processes of a machine share this clock."""
    return time.monotonic_ns() - sent_ns

"""The process that enqueues: `python -m benchmarks.producer APP_MODULE VERB JSON`; prints its findings as JSON.

A process of its own, so that each turn imports its app afresh and no contestant's client runs in the harness.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from collections.abc import Callable
from typing import Any

from benchmarks.marks import now_ns
from benchmarks.quantiles import p50_p99

WARM_UP = 20


def fill(app: Any, count: int) -> dict[str, float]:
    """Put tasks in the fastest way that the contestant has."""
    started_ns = now_ns()
    app.fill(count)
    return {"rate": count * 1e9 / (now_ns() - started_ns)}


def one_by_one(app: Any, count: int) -> dict[str, float]:
    """Put tasks one at a time, each accepted before the next is put."""
    app.one_by_one(WARM_UP)
    started_ns = now_ns()
    app.one_by_one(count)
    return {"rate": count * 1e9 / (now_ns() - started_ns)}


def stamps(app: Any, count: int, gap_s: float) -> dict[str, float]:
    """Send tasks that carry their time of sending, one every `gap_s`; also how long sending took, in ms."""
    took_ms = []
    for _ in range(count):
        time.sleep(gap_s)
        sent_ns = now_ns()
        app.stamp(sent_ns)
        took_ms.append((now_ns() - sent_ns) / 1e6)
    return p50_p99(took_ms[WARM_UP:] or took_ms)


def verb(app: Any, name: str, **arguments: Any) -> Any:
    """Any other verb of the app itself."""
    return getattr(app, name)(**arguments)


VERBS: dict[str, Callable[..., Any]] = {
    "fill": fill,
    "one_by_one": one_by_one,
    "stamps": stamps,
    "verb": verb,
}


def main() -> None:
    module, name, arguments = sys.argv[1:]
    app = importlib.import_module(module)
    try:
        print(json.dumps(VERBS[name](app, **json.loads(arguments))), flush=True)
    finally:
        app.close()


if __name__ == "__main__":
    main()

"""One module per contestant, imported by its producers and its workers.

Each offers: `fill(count)` puts no-op tasks in the fastest way it has; `one_by_one(count)` puts them one at a
time; `stamp(sent_ns)` puts a task that marks the time it was sent; `close()`. What to talk to comes by
environment.
"""

from __future__ import annotations

import os

from benchmarks.contestant import FILE_VARIABLE, KIND_VARIABLE, REDIS_VARIABLE, RESULTS_VARIABLE


def redis_url() -> str:
    return os.environ[REDIS_VARIABLE]


def file() -> str:
    return os.environ[FILE_VARIABLE]


def keeps_results() -> bool:
    return os.environ.get(RESULTS_VARIABLE) == "1"


def kind() -> str:
    return os.environ.get(KIND_VARIABLE, "sync")

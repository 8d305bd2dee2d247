"""What a worker is told: one value, checked once, handed down by pipe."""

from __future__ import annotations

import os

import msgspec

from postroad.errors import InvalidOption, NotSupported


class WorkerOptions(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """``app``: ``module:attribute``. ``url``: instead of the app's own. ``queues``: none means all the app declares.

    ``processes``: children. In each: ``threads`` plain functions, ``concurrency`` coroutines and ``solos`` processes
    of one task each (started when first needed; 0 means one per core shared by the children). ``prefetch``: most
    messages a child holds. ``stall_limit_s``: how long a child may show no sign of life.
    ``progress_limit_s``: how long an idle child may take nothing though messages wait (above 5 s).
    ``log_setup``: ``module:callable`` that a child calls with (format, level). ``ready_file`` exists while all
    children consume.
    """

    app: str
    url: str | None = None
    queues: tuple[str, ...] = ()
    processes: int = 1
    threads: int = 4
    concurrency: int = 100
    solos: int = 0
    prefetch: int = 1000
    drain_s: float = 30.0
    stall_limit_s: float = 600.0
    progress_limit_s: float = 30.0
    max_tasks_per_child: int | None = None
    max_memory_per_child: int | None = None
    reload: bool = False
    log_format: str = "text"
    log_level: str = "INFO"
    log_setup: str = ""
    ready_file: str | None = None

    @property
    def solos_per_child(self) -> int:
        return self.solos or max(1, (os.cpu_count() or 1) // self.processes)


AT_LEAST = {
    "processes": 1,
    "threads": 1,
    "concurrency": 1,
    "solos": 0,
    "prefetch": 1,
    "drain_s": 0,
    "stall_limit_s": 1,
    "progress_limit_s": 1,
}
NOT_BUILT = ("max_tasks_per_child", "max_memory_per_child")


def checked(options: WorkerOptions) -> WorkerOptions:
    """The options themselves. Raises InvalidOption, or NotSupported for what is not built yet."""
    for name in NOT_BUILT:
        if getattr(options, name) is not None:
            raise NotSupported(f"{name}: not built yet. Leave it out; a child that dies is restarted.")
    for name, least in AT_LEAST.items():
        value = getattr(options, name)
        if not value >= least:
            raise InvalidOption(f"{name}={value!r}: it must be at least {least}.")
    return options

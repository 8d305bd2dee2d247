"""Every command by name: where it lives and what it is for. The modules are imported only when they run."""

from __future__ import annotations

from typing import NamedTuple


class Command(NamedTuple):
    """``module`` has ``arguments(parser)`` and ``run(options) -> int``."""

    module: str
    help: str


COMMANDS = {
    "worker": Command("postroad.cli.worker", "run the tasks of an app"),
    "demo": Command("postroad.cli.demo.command", "index source files with tasks, killing the worker half way"),
    "send": Command("postroad.cli.send", "send a task by its name"),
    "tasks": Command("postroad.cli.tasks", "list, show, wait for, retry and cancel tasks"),
    "queues": Command("postroad.cli.queues", "depth, oldest age and what is in flight; purge"),
    "dead-letters": Command("postroad.cli.deadletters", "list, show, redrive, purge and export dead letters"),
    "workers": Command("postroad.cli.workers", "the processes that hold messages, and what they run"),
    "doctor": Command("postroad.cli.doctor.command", "look for what is wrong, and say what to do"),
    "torture": Command("postroad.cli.torture", "kill workers again and again and count what is lost"),
    "bench": Command("postroad.cli.bench.command", "measure the embedded engine on this machine"),
}

PLANNED = ("publish", "put", "streams", "schedules", "workflows", "topology", "top", "dashboard")

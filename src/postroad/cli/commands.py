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
    "put": Command("postroad.cli.put", "put a message into a queue"),
    "publish": Command("postroad.cli.publish", "publish an event by its type"),
    "tasks": Command("postroad.cli.tasks", "list, show, wait for, retry and cancel tasks"),
    "queues": Command("postroad.cli.queues", "depth, oldest age and what is in flight; peek, purge, delete"),
    "dead-letters": Command(
        "postroad.cli.deadletters.command", "list, show, edit, redrive, purge, export and import dead letters"
    ),
    "records": Command("postroad.cli.records", "what was dropped, came twice, or failed after an early acknowledgement"),
    "events": Command("postroad.cli.events.command", "types, groups, what goes by, what went to nobody"),
    "topology": Command("postroad.cli.topology.command", "plan, apply and export queues, exchanges and bindings"),
    "outbox": Command("postroad.cli.outbox", "the outbox in your own database: its tables, what waits, relaying it"),
    "workers": Command("postroad.cli.workers", "the processes that hold messages, and what they run"),
    "check": Command("postroad.cli.check", "is a queue within its limits: one line and an exit code"),
    "top": Command("postroad.cli.top.command", "queues, handlers and workers with their rates, live"),
    "doctor": Command("postroad.cli.doctor.command", "look for what is wrong, and say what to do"),
    "torture": Command("postroad.cli.torture", "kill workers again and again and count what is lost"),
    "bench": Command("postroad.cli.bench.command", "measure the embedded engine on this machine"),
}

PLANNED = ("streams", "schedules", "workflows", "dashboard")

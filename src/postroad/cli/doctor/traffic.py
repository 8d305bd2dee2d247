"""What goes on in the engine: workers, queues, and messages that get nowhere."""

from __future__ import annotations

from collections import Counter

from postroad.cli.doctor.finding import NOTE, OK, WRONG, Finding
from postroad.cli.output import age, several
from postroad.observe.inspect import Inspection
from postroad.observe.views import WorkerView
from postroad.ports.driver import QueueDepth

UNTAKEN_S = 60.0
BEHIND_S = 600.0
SEEN_MAX = 10_000


async def look(inspection: Inspection) -> list[Finding]:
    """Every check of the traffic."""
    workers = await inspection.workers()
    queues = await inspection.queues()
    return [
        *of_workers(workers),
        *(finding for queue in queues if (finding := of_queue(queue, workers)) is not None),
        *await unknown_names(inspection),
        await dead(inspection, queues),
    ]


def of_workers(workers: list[WorkerView]) -> list[Finding]:
    alive = [worker for worker in workers if worker.state == "alive"]
    said = "1 process alive" if len(alive) == 1 else f"{len(alive):,} processes alive"
    return [Finding(OK if alive else NOTE, "workers", said)] + [
        of_worker(worker) for worker in workers if worker.state != "alive"
    ]


def of_worker(worker: WorkerView) -> Finding:
    """One that does not run."""
    held = several(worker.in_flight, "message")
    if worker.state == "stopped":
        return Finding(
            WRONG,
            "workers",
            f"process {worker.pid} ({worker.name}) is stopped and holds {held}",
            "a signal (SIGSTOP, Ctrl-Z) or a debugger stopped it; nobody may take what it holds while it lives",
            f"kill -CONT {worker.pid}, or kill -KILL {worker.pid}: then its messages come back",
        )
    why = "it ended without a word; a worker that runs takes them back within a second"
    level = WRONG if worker.in_flight else NOTE
    return Finding(
        level, "workers", f"process {worker.pid} ({worker.name}) is dead and holds {held}", why, "start a worker"
    )


def of_queue(queue: QueueDepth, workers: list[WorkerView]) -> Finding | None:
    """None when nothing waits in it for long."""
    waits = queue.oldest_age_s or 0.0
    said = f"{queue.queue}: {several(queue.ready, 'message')} ready, the oldest for {age(waits)}"
    if waits >= UNTAKEN_S and not queue.in_flight:
        some = any(worker.state == "alive" for worker in workers)
        why = "the workers that run do not take from it" if some else "no worker runs"
        return Finding(WRONG, "queues", said, why, f"start one that does: postroad worker module:app -Q {queue.queue}")
    if waits >= BEHIND_S:
        return Finding(NOTE, "queues", said, "the workers cannot keep up", "add processes (-p) or threads (-t)")
    return None


async def unknown_names(inspection: Inspection) -> list[Finding]:
    """Tasks that were given back because no worker knew their name."""
    waiting = await inspection.waiting(limit=SEEN_MAX)
    names = Counter(task.task for task in waiting if any(ended.kind == "unknown" for ended in task.history))
    return [
        Finding(
            WRONG,
            "tasks",
            f"{several(count, 'task')} named {name!r} that no worker knows",
            "the sender's code is newer than the worker's, or the module is not included",
            "start a worker of the app that declares it; else they become dead letters",
        )
        for name, count in names.most_common()
    ]


async def dead(inspection: Inspection, queues: list[QueueDepth]) -> Finding:
    count = sum(queue.dead for queue in queues)
    groups = await inspection.dead_letter_groups() if count else []
    if not groups:
        return Finding(OK, "dead letters", "none")
    largest = groups[0]
    said = f"{several(count, 'letter')}, most of them ({largest.count:,}) of {largest.task or largest.source}: {largest.reason}"
    return Finding(NOTE, "dead letters", said, "", "postroad dead-letters --group; then redrive or purge")

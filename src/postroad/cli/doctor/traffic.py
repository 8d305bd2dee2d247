"""What goes on in the engine: workers, queues, and messages that get nowhere."""

from __future__ import annotations

from collections import Counter

from postroad.cli.doctor.finding import NOTE, OK, WRONG, Finding
from postroad.cli.output import age, several
from postroad.observe.inspect import Inspection
from postroad.observe.traffic import GroupView
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
        *(finding for queue in queues if (finding := full(queue)) is not None),
        *(finding for group in await inspection.groups() if (finding := unconsumed(group)) is not None),
        *await to_nobody(inspection),
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
    if waits >= UNTAKEN_S and not queue.in_flight and queue.carries != "events":
        some = any(worker.state == "alive" for worker in workers)
        why = "the workers that run do not take from it" if some else "no worker runs"
        return Finding(WRONG, "queues", said, why, f"start one that does: postroad worker module:app -Q {queue.queue}")
    if waits >= BEHIND_S:
        return Finding(NOTE, "queues", said, "the workers cannot keep up", "add processes (-p) or threads (-t)")
    return None


def full(queue: QueueDepth) -> Finding | None:
    """One that takes no more: its producers are refused, wait, or push the oldest out."""
    waiting = queue.ready + queue.delayed
    if queue.max_length is None or waiting < queue.max_length:
        return None
    said = f"{queue.queue}: {waiting:,} wait, and its max_length is {queue.max_length:,}"
    why = "its consumers are slower than its producers" if queue.consumers else "nobody takes from it"
    return Finding(WRONG, "queues", said, why, "add consumers; then see whether max_length is what you want")


def unconsumed(group: GroupView) -> Finding | None:
    """Events that wait for a group's subscribers: of code that is gone, or not yet there."""
    if group.consumers or not group.ready:
        return None
    said = f"group {group.group!r}: {several(group.ready, 'event')} waiting, the oldest for {age(group.oldest_age_s)}"
    do = f"start a worker of the app that subscribes; a group that is gone: postroad queues delete {group.queue}"
    return Finding(WRONG, "events", said, "no process consumes it, and its events are kept for it", do)


async def to_nobody(inspection: Inspection) -> list[Finding]:
    """What exchanges could give to nobody in the last day."""
    found = await inspection.unrouted(SEEN_MAX)
    if not found:
        return []
    ((exchange, key), most) = Counter((one.exchange, one.routing_key) for one in found).most_common(1)[0]
    said = f"{several(len(found), 'message')} went to nobody in the last day, most of them ({most:,}) {key!r} by {exchange!r}"
    do = "postroad events unrouted; subscribe to them, bind a queue, or publish with mandatory=True to be told"
    return [Finding(NOTE, "events", said, "no group or queue is bound to them", do)]


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

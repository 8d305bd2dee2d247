"""``postroad tasks``: list, show, result, retry, cancel."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from postroad.cli import exits, flags
from postroad.cli.engine import confirmed, look
from postroad.cli.outcome import answer
from postroad.cli.output import Column, ago, as_json, did, item, items, moment, note, several
from postroad.core.lifecycle import TASK_STATES, TERMINAL_STATES
from postroad.errors import NotFound

if TYPE_CHECKING:
    from postroad.observe.inspect import Inspection
    from postroad.observe.views import TaskView

COLUMNS: tuple[Column, ...] = (
    Column("ID", lambda task: task.id),
    Column("TASK", lambda task: task.task or "-"),
    Column("QUEUE", lambda task: task.queue),
    Column("STATE", lambda task: task.state),
    Column("ATTEMPT", lambda task: str(task.attempt), right=True),
    Column("SENT", lambda task: ago(task.queued_at)),
    Column("ABOUT", lambda task: about(task)),
)


def arguments(parser: argparse.ArgumentParser) -> None:
    verbs = flags.noun(parser)
    listing = flags.verb(verbs, "list", "show tasks, newest first (the default)", watch=True)
    for place, nested in ((parser, False), (listing, True)):
        filters(place, nested)
    one = flags.verb(verbs, "show", "show all that is known of these tasks", watch=True)
    one.add_argument("ids", metavar="ID", nargs="+")
    result = flags.verb(verbs, "result", "print a task's result as JSON")
    result.add_argument("id", metavar="ID")
    result.add_argument("--wait", type=flags.duration, default=0.0, metavar="DURATION", help="wait for its end, as 30s")
    again = flags.verb(verbs, "retry", "send tasks that ended as dead letters to their queues again")
    again.add_argument("ids", metavar="ID", nargs="+")
    flags.act(again)
    cancel = flags.verb(verbs, "cancel", "take tasks back that have not started; those that run are marked")
    cancel.add_argument("ids", metavar="ID", nargs="+")
    cancel.add_argument("--reason", default="cancelled from the command line", help="kept with the task")
    flags.act(cancel)


def filters(parser: argparse.ArgumentParser, nested: bool) -> None:
    nothing = argparse.SUPPRESS if nested else None
    parser.add_argument("--state", type=str.upper, choices=TASK_STATES, default=nothing, help="only in this state")
    parser.add_argument("--queue", metavar="NAME", default=nothing, help="only tasks of this queue")
    parser.add_argument("--name", metavar="TASK", default=nothing, help="only tasks of this name")
    parser.add_argument("--limit", type=flags.count, default=nothing or 50, metavar="N", help="default 50")


def run(options: argparse.Namespace) -> int:
    verbs = {"list": show_list, "show": show_each, "result": result, "retry": retry, "cancel": cancel}
    return look(options, lambda inspection: verbs[options.verb](inspection, options))


async def show_list(inspection: Inspection, options: argparse.Namespace) -> int:
    from postroad.observe.inspect import TaskFilter

    which = TaskFilter(options.state, options.queue, options.name)
    items(await inspection.tasks(which, options.limit), COLUMNS, options.output, "No such tasks.")
    return exits.OK


async def show_each(inspection: Inspection, options: argparse.Namespace) -> int:
    found = await find_all(inspection, options.ids)
    for task in found:
        item(task, fields(task), options.output)
    return exits.of_found(len(options.ids), len(found))


async def find_all(inspection: Inspection, ids: list[str]) -> list[TaskView]:
    """Those that exist; the others are named on stderr."""
    found: list[TaskView] = []
    for id in dict.fromkeys(ids):
        try:
            found.append(await inspection.task(id))
        except NotFound as error:
            note(str(error))
    return found


async def result(inspection: Inspection, options: argparse.Namespace) -> int:
    return answer(await inspection.wait_for(options.id, options.wait), options.id, options.wait)


async def retry(inspection: Inspection, options: argparse.Namespace) -> int:
    """Only what is a dead letter can be sent again: anything else has gone, or is still to end."""
    from postroad.observe import operate

    found = await find_all(inspection, options.ids)
    dead = [task for task in found if task.dead_letter is not None][: options.limit]
    for task in found:
        if task.dead_letter is None:
            note(f"{task.id} is {task.state}, not a dead letter: there is nothing to retry.")
    code = confirmed(options, f"send {named(dead)} again") if dead else None
    if not dead or code is not None:
        return code if code is not None else exits.NOT_FOUND
    numbers = [task.dead_letter for task in dead if task.dead_letter is not None]
    done = await operate.each(inspection, operate.Act("redrive"), numbers)
    did({"count": done.count, "refused": done.refused}, f"sent {several(done.count, 'task')} again", options.output)
    if done.refused:
        note(f"The next one stays a dead letter: {done.refused}")
        return exits.PARTIAL
    return exits.of_found(len(options.ids), done.count)


async def cancel(inspection: Inspection, options: argparse.Namespace) -> int:
    from postroad.observe import operate

    found = await find_all(inspection, options.ids)
    live = [task for task in found if task.state not in TERMINAL_STATES][: options.limit]
    for task in found:
        if task.state in TERMINAL_STATES:
            note(f"{task.id} is {task.state} already.")
    code = confirmed(options, f"cancel {named(live)}") if live else None
    if not live or code is not None:
        return code if code is not None else exits.NOT_FOUND
    count = await operate.cancel(inspection, live, options.reason)
    did({"count": count}, f"cancelled {several(count, 'task')}", options.output)
    return exits.of_found(len(options.ids), count)


def named(tasks: list[TaskView]) -> str:
    """The tasks, in words; the first few by name."""
    some = ", ".join(f"{task.task or 'message'} {task.id}" for task in tasks[:5])
    more = f" and {len(tasks) - 5:,} more" if len(tasks) > 5 else ""
    return f"{several(len(tasks), 'task')} ({some}{more})"


def about(task: TaskView) -> str:
    if task.state == "SUCCEEDED":
        return bytes(task.result).decode() if task.result is not None else ""
    if task.state in ("SCHEDULED", "RETRYING") and task.due_at is not None:
        return f"due {ago(task.due_at)} {task.error or ''}".rstrip()
    return task.reason or task.error or ""


def fields(task: TaskView) -> list[tuple[str, str | None]]:
    """What the sheet of one task shows."""
    return [
        ("id", task.id),
        ("task", task.task),
        ("queue", task.queue),
        ("state", task.state),
        ("attempt", str(task.attempt)),
        ("crashes", str(task.crashes) if task.crashes else None),
        ("priority", None if task.priority is None else str(task.priority)),
        ("key", task.key),
        ("sent", moment(task.queued_at)),
        ("due", moment(task.due_at)),
        ("started", moment(task.started_at)),
        ("finished", moment(task.finished_at)),
        ("worker", task.worker),
        ("progress", None if task.progress is None else bytes(task.progress).decode()),
        ("result", None if task.result is None else bytes(task.result).decode()),
        ("reason", task.reason),
        ("error", f"{task.error_type}: {task.error}" if task.error_type else task.error),
        ("dead letter", None if task.dead_letter is None else str(task.dead_letter)),
        ("headers", as_json(task.headers, indent=0) if task.headers else None),
        ("body", task.body if task.body_base64 is None else f"base64 {task.body_base64}"),
        ("traceback", task.traceback),
    ]

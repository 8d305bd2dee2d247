"""What was counted: by the tasks, from what the engine kept; and in one process, from the files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from postroad.cli.demo.app import QUEUE
from postroad.cli.demo.sources import Contents, contents, source_files
from postroad.observe.inspect import Inspection, TaskFilter
from postroad.observe.views import DeadLetterView, TaskView
from postroad.ports.driver import DeadLetterFilter

EVERYTHING = 10_000_000
PAGE = 500


class Totals(msgspec.Struct, frozen=True):
    """``repeats``: how often a module was mentioned again. ``undecodable``: files, as paths below the root."""

    files: int
    lines: int
    words: int
    functions: int
    classes: int
    modules: int
    repeats: int
    undecodable: tuple[str, ...]


class Kept(msgspec.Struct, frozen=True):
    """What the engine remembers of one run. ``done``: ended well, by the task's name."""

    totals: Totals
    done: dict[str, int]
    retries: int
    letters: tuple[DeadLetterView, ...]


async def kept(inspection: Inspection, run: str, repeats: int) -> Kept:
    """Read it from results and dead letters. ``repeats``: what the inbox recognised meanwhile."""
    tasks = [task for task in await inspection.ended(TaskFilter("SUCCEEDED", QUEUE), EVERYTHING) if of_run(task, run)]
    letters = [letter for letter in await all_letters(inspection) if first_argument(letter) == run]
    indexed = [decoded(task) for task in tasks if named(task.task, "index_file")]
    totals = Totals(
        files=len(indexed),
        lines=sum(result["lines"] for result in indexed),
        words=sum(result["words"] for result in indexed),
        functions=sum(result["functions"] for result in indexed),
        classes=sum(result["classes"] for result in indexed),
        modules=len({decoded(task)["module"] for task in tasks if named(task.task, "note_module")}),
        repeats=repeats,
        undecodable=tuple(sorted(path_of(letter) for letter in letters if named(letter.task, "index_file"))),
    )
    retries = sum(task.attempt - 1 for task in tasks) + sum(letter.attempt - 1 for letter in letters)
    return Kept(totals, counted(tasks), retries, tuple(letters))


def counted(tasks: Sequence[TaskView]) -> dict[str, int]:
    names = [task.task.rpartition(".")[2] for task in tasks]
    return {name: names.count(name) for name in sorted(set(names))}


def named(task: str, function: str) -> bool:
    return task.rpartition(".")[2] == function


def of_run(task: TaskView, run: str) -> bool:
    return bool(decoded(task).get("run") == run)


def decoded(task: TaskView) -> dict[str, Any]:
    return msgspec.json.decode(b"{}" if task.result is None else bytes(task.result), type=dict[str, Any])


async def all_letters(inspection: Inspection) -> list[DeadLetterView]:
    letters: list[DeadLetterView] = []
    while page := await inspection.dead_letters(
        DeadLetterFilter(source=QUEUE), PAGE, letters[-1].number if letters else None
    ):
        letters += page
    return letters


def first_argument(letter: DeadLetterView) -> str:
    """The run a dead letter belongs to."""
    first = arguments(letter)[0]
    return str(first["id"] if isinstance(first, dict) else first)


def path_of(letter: DeadLetterView) -> str:
    return str(arguments(letter)[1])


def arguments(letter: DeadLetterView) -> list[Any]:
    args: list[Any] = msgspec.json.decode(letter.body or "[[]]")[0]
    return args


def recounted(root: Path) -> Totals:
    """The same totals in this process, without any task."""
    every: list[Contents] = []
    undecodable: list[str] = []
    for path in source_files(root):
        try:
            every.append(contents(path.read_bytes()))
        except Exception:  # as a task does with any error: the file becomes a dead letter
            undecodable.append(str(path.relative_to(root)))
    modules = {name for one in every for name in one.modules}
    return Totals(
        files=len(every),
        lines=sum(one.lines for one in every),
        words=sum(one.words for one in every),
        functions=sum(one.functions for one in every),
        classes=sum(one.classes for one in every),
        modules=len(modules),
        repeats=sum(len(one.modules) for one in every) - len(modules),
        undecodable=tuple(sorted(undecodable)),
    )

"""How a task ended, as output and exit code: shared by ``tasks result`` and ``send --wait``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from postroad.cli import exits
from postroad.cli.output import escaped
from postroad.errors import ResultTimeout
from postroad.observe.plaintext import block

if TYPE_CHECKING:
    from postroad.observe.views import TaskView


def answer(task: TaskView | None, id: str, waited_s: float) -> int:
    """The result's JSON on stdout, or on stderr why there is none. Raises ResultTimeout."""
    if task is None:
        raise ResultTimeout(f"Task {id} has not ended within {waited_s:g} s; it goes on. Wait longer: --wait 60s.")
    if task.state != "SUCCEEDED":
        print(f"postroad: {block(ending(task))}", file=sys.stderr)
        return exits.FAILED
    text = "null" if task.result is None else bytes(task.result).decode()
    print(escaped(text))
    return exits.OK


def ending(task: TaskView) -> str:
    error = f"{task.error_type}: {task.error}" if task.error_type else task.error
    why = error or task.reason or "no reason was kept"
    return f"Task {task.id} ({task.task}) ended as {task.state}: {why}"

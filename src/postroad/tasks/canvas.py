"""Tasks in parallel, and what follows when all are done. The types are there; sending says that it is not built yet."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, cast

from postroad.errors import NotSupported
from postroad.tasks.result import Result
from postroad.tasks.signature import Chain, Signature, Step, refuse
from postroad.tasks.task import Task

Q = ParamSpec("Q")
A = TypeVar("A")
B = TypeVar("B")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


class Group(Generic[R_co]):
    """Calls that run in parallel; the result is the list of theirs, in order."""

    __slots__ = ("members",)

    def __init__(self, members: Iterable[Signature[R_co]]) -> None:
        self.members = list(members)

    def delay(self) -> Result[list[R_co]]:
        """Not built yet: send the members by themselves, with app.send_many."""
        refuse("group")

    async def adelay(self) -> Result[list[R_co]]:
        """Not built yet: send the members by themselves, with app.send_many."""
        refuse("group")


def group(members: Iterable[Signature[R]]) -> Group[R]:
    """Calls to run in parallel."""
    return Group(members)


def chord(members: Iterable[Signature[R]], body: Step[list[R], B]) -> Signature[B]:
    """Calls to run in parallel, then ``body`` with the list of their results."""
    return Chord([*members, body])


class Chord(Chain[R_co]):
    """A group with a body. Not built yet: sending it says so."""

    __slots__ = ()

    def delay(self) -> Result[R_co]:
        """Not built yet."""
        refuse("chord")

    async def adelay(self) -> Result[R_co]:
        """Not built yet."""
        refuse("chord")


def step(task: Callable[Concatenate[A, Q], R], *args: Q.args, **kwargs: Q.kwargs) -> Step[A, R]:
    """``task.step(...)``, for type checkers that need the function form."""
    if not isinstance(task, Task):
        raise NotSupported(f"step({task!r}): not built yet for what is no task; declare it with @app.task.")
    return cast("Step[A, R]", cast(Any, task).step(*args, **kwargs))

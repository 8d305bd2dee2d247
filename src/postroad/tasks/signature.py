"""A call that is not made yet: complete (`Signature`), or lacking its first argument (`Step`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar, overload

from postroad.errors import NotSupported
from postroad.tasks.arguments import Bound
from postroad.tasks.result import Result

if TYPE_CHECKING:
    from postroad.tasks.task import Task

R_co = TypeVar("R_co", covariant=True)
A_contra = TypeVar("A_contra", contravariant=True)
B = TypeVar("B")


class Signature(Generic[R_co]):
    """A call with all its arguments: it can be sent, once or often."""

    __slots__ = ("bound", "task")

    def __init__(self, task: Task[..., Any, Any], bound: Bound) -> None:
        self.task = task
        self.bound = bound

    def delay(self) -> Result[R_co]:
        """Send it. Durable when this returns; inside a handler, it leaves with the handler's outcome."""
        return self.task.dispatch(self.bound)

    async def adelay(self) -> Result[R_co]:
        """Send it. Durable when this returns; inside a handler, it leaves with the handler's outcome."""
        return await self.task.dispatch_async(self.bound)

    def on_error(self, handler: Signature[Any] | Step[Any, Any]) -> Signature[R_co]:
        """The same call; ``handler`` runs with its error when it fails for good. Not built yet."""
        raise NotSupported("Signature.on_error: not built yet")

    @overload
    def __or__(self, other: Step[R_co, B]) -> Signature[B]: ...
    @overload
    def __or__(self, other: Signature[B]) -> Signature[B]: ...
    def __or__(self, other: Any) -> Any:
        return Chain([*members(self), *members(other)])

    def __repr__(self) -> str:
        return f"<Signature {self.task.name}{shown(self.bound)}>"


class Step(Generic[A_contra, R_co]):
    """A call that lacks its first argument: the result of the step before it in a chain."""

    __slots__ = ("bound", "task")

    def __init__(self, task: Task[..., Any, Any], bound: Bound) -> None:
        self.task = task
        self.bound = bound

    def __or__(self, other: Step[R_co, B]) -> Step[A_contra, B]:
        return StepChain([*members(self), *members(other)])

    def __repr__(self) -> str:
        return f"<Step {self.task.name}{shown(self.bound)}>"


class Chain(Signature[R_co]):
    """Calls one after the other, each with the result of the one before it. Not built yet: sending it says so."""

    __slots__ = ("steps",)

    def __init__(self, steps: list[Any]) -> None:
        super().__init__(steps[0].task, steps[0].bound)
        self.steps = steps

    def delay(self) -> Result[R_co]:
        """Not built yet."""
        refuse("a chain (first | second)")

    async def adelay(self) -> Result[R_co]:
        """Not built yet."""
        refuse("a chain (first | second)")


class StepChain(Step[A_contra, R_co]):
    """Steps one after the other."""

    __slots__ = ("steps",)

    def __init__(self, steps: list[Any]) -> None:
        super().__init__(steps[0].task, steps[0].bound)
        self.steps = steps


def members(part: Any) -> list[Any]:
    return list(part.steps) if isinstance(part, Chain | StepChain) else [part]


def refuse(what: str) -> NoReturn:
    raise NotSupported(f"{what}: not built yet")


def shown(bound: Bound) -> str:
    args, kwargs = bound
    return f"({', '.join([*map(repr, args), *(f'{name}={value!r}' for name, value in kwargs.items())])})"

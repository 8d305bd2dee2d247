"""``@app.task`` and ``@router.task``: from a function and its options to a Task."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Coroutine
from typing import Any, NoReturn, ParamSpec, Protocol, TypeVar, overload

from msgspec import UNSET, UnsetType

from postroad.core.durations import Duration
from postroad.core.retry import Retry
from postroad.engine.checks import Routes
from postroad.errors import ConfigurationError, InvalidOption
from postroad.tasks.definition import Definition
from postroad.tasks.options import Key, TaskOptions
from postroad.tasks.task import Task

P = ParamSpec("P")
R = TypeVar("R")

FOREIGN = {
    "bind": "take self out of the function and write `from postroad import current`; self.request.id is current.task.id, "
    "self.request.retries is current.task.attempt - 1, self.retry(countdown=30) is `raise RetryLater(after=30)`",
    "max_retries": "retry=Retry(max=...)",
    "default_retry_delay": "retry=Retry(base=...)",
    "retry_backoff": "retry=Retry(base=..., factor=...)",
    "retry_kwargs": "retry=Retry(...)",
    "autoretry_for": "retry=Retry(on=(...))",
    "acks_late": "nothing: a message always stays until its handler has ended",
    "reject_on_worker_lost": "nothing: a message always comes back when its worker dies; max_deliveries=... is the limit",
    "ignore_result": "keep_result=None",
    "serializer": "nothing: bodies are JSON",
    "routing_key": "queue=...",
    "queue_name": "queue=...",
    "actor_name": "name=...",
    "delay": "task.options(countdown=...).delay(...)",
}


class TaskDecorator(Protocol):
    """What ``@app.task(...)`` with options answers."""

    @overload
    def __call__(self, fn: Callable[P, Coroutine[Any, Any, R]], /) -> Task[P, R, Coroutine[Any, Any, R]]: ...
    @overload
    def __call__(self, fn: Callable[P, R], /) -> Task[P, R, R]: ...


class DeclaresTasks:
    """The decorator; who inherits takes the tasks in by `adopt`."""

    def adopt(self, task: Task[..., Any, Any]) -> None:
        raise NotImplementedError

    @overload
    def task(self, fn: Callable[P, Coroutine[Any, Any, R]], /) -> Task[P, R, Coroutine[Any, Any, R]]: ...
    @overload
    def task(self, fn: Callable[P, R], /) -> Task[P, R, R]: ...
    @overload
    def task(
        self,
        *,
        name: str | None = None,
        queue: str | UnsetType = UNSET,
        executor: str | None = None,
        retry: Retry | UnsetType | None = UNSET,
        on_error: Routes | UnsetType | None = UNSET,
        soft_time_limit: Duration | None = None,
        time_limit: Duration | None = None,
        rate_limit: str | None = None,
        max_concurrency: int | None = None,
        concurrency_key: Key | None = None,
        priority: int | UnsetType = UNSET,
        expires: Duration | UnsetType | None = UNSET,
        key: Key | UnsetType | None = UNSET,
        order: str | UnsetType = UNSET,
        unique: Duration | None = None,
        keep_result: Duration | UnsetType | None = UNSET,
        max_deliveries: int | UnsetType = UNSET,
    ) -> TaskDecorator: ...
    def task(self, *functions: Any, **options: Any) -> Any:
        """Declare a function to be a task: ``@app.task``, or with options, ``@app.task(queue="media", ...)``.

        ``name``: instead of module.qualname. The options are those of `TaskOptions`. Declaring does no I/O.
        Raises ConfigurationError, InvalidOption, InvalidName, NotSupported (for options that are not built yet).
        """
        name = options.pop("name", None)
        given = checked(options)

        def declare(function: Callable[..., Any]) -> Task[..., Any, Any]:
            if isinstance(function, Task):
                raise ConfigurationError(f"{function.name} is a task already: @app.task once.")
            if not inspect.isfunction(inspect.unwrap(function)):
                raise ConfigurationError(f"@app.task declares functions, and {function!r:.80} is none: wrap it in a def.")
            task: Task[..., Any, Any] = Task(Definition(function, given, name))
            self.adopt(task)
            return task

        return declare(*functions) if functions else declare


def checked(options: dict[str, Any]) -> TaskOptions:
    known = TaskOptions.__struct_fields__
    for option in options:
        if option not in known:
            refuse(option, known)
    return TaskOptions(**options)


def refuse(option: str, known: tuple[str, ...]) -> NoReturn:
    """Raise for an option that a task does not have, with what to write."""
    if option in FOREIGN:
        kind = ConfigurationError if option == "bind" else InvalidOption
        raise kind(f"@app.task({option}=...) is not how it is written here. Instead: {FOREIGN[option]}.")
    close = difflib.get_close_matches(option, known, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    raise InvalidOption(f"@app.task({option}=...): there is no such option{hint} Known: {', '.join(known)}.")

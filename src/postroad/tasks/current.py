"""``current``: the running task, from anywhere inside it."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import Future
from typing import Any, Generic, ParamSpec, TypeVar

from postroad.core import codec
from postroad.core.message import Message
from postroad.engine.attributes import TYPE, EventAttributes, attributes
from postroad.engine.context import CURRENT, HandlerContext
from postroad.errors import NoCurrentTask
from postroad.tasks.documents import Progress

P = ParamSpec("P")
T = TypeVar("T")


def running(what: str) -> HandlerContext:
    context = CURRENT.get()
    if context is None:
        raise NoCurrentTask(
            f"{what} is only there while a worker runs a task, in the task's own thread. (A thread that the task starts has it "
            "by current.run_in_thread; only current.task.progress() may be called anywhere.)"
        )
    return context


class CurrentTask:
    """The running task. Outside a worker its attributes raise NoCurrentTask, and `progress` does nothing."""

    __slots__ = ()

    @property
    def id(self) -> str:
        """The id of its Result."""
        return running("current.task.id").delivery.message.id

    @property
    def name(self) -> str:
        """The task's name."""
        return running("current.task.name").name

    @property
    def attempt(self) -> int:
        """1 for the first; retries that count make it more."""
        return running("current.task.attempt").delivery.attempt

    @property
    def queue(self) -> str:
        """The queue its message came from."""
        return running("current.task.queue").delivery.source

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers given with ``options(headers=...)``, and the engine's own."""
        return running("current.task.headers").delivery.message.headers

    def progress(self, current: float, total: float | None = None, **meta: Any) -> None:
        """Say how far it is: seen in ``Result.status().progress``. Cheap; written now and then. Outside a worker: nothing."""
        context = CURRENT.get()
        if context is not None and context.on_progress is not None:
            value = codec.encode(Progress(current, total, meta), "The progress")
            context.on_progress(context.delivery.message.id, value.decode())


class Current:
    """What a running handler may ask for."""

    __slots__ = ()

    task = CurrentTask()

    @property
    def message(self) -> Message:
        """The message being handled."""
        return running("current.message").delivery.message

    @property
    def state(self) -> Any:
        """What the app's ``lifespan`` yielded in this worker."""
        return running("current.state").state

    @property
    def event(self) -> EventAttributes:
        """The attributes of the event being handled: id, type, source, subject, time, headers. Of a batch, its first's."""
        context = CURRENT.get()
        if context is None or TYPE not in context.delivery.message.headers:
            running_now = "" if context is None else f" What runs is {context.name}, and its message is no event."
            raise NoCurrentTask(
                "current.event is only there while a worker runs a handler of events, in the handler's own thread." + running_now
            )
        return attributes(context.delivery.message)

    def run_in_thread(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> ThreadFuture[T]:
        """Run it in a new thread that sends and reports as this task does. ``result()`` it or ``await`` it before the
        task ends: afterwards its sends raise HandlerEnded."""
        running("current.run_in_thread")
        future: ThreadFuture[T] = ThreadFuture()
        context = contextvars.copy_context()

        def run() -> None:
            try:
                future.set_result(context.run(function, *args, **kwargs))
            except BaseException as error:
                future.set_exception(error)

        threading.Thread(target=run, name=f"postroad-{getattr(function, '__name__', 'thread')}", daemon=True).start()
        return future


class ThreadFuture(Future[T], Generic[T]):
    """A future for both colours: ``result()`` in a thread, ``await`` on a loop."""

    def __await__(self) -> Generator[Any, None, T]:
        return asyncio.wrap_future(self).__await__()


current = Current()

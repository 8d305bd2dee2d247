"""What waits in a queue."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, Generic, TypeVar

from postroad.core.message import Message
from postroad.engine.asking import Question, inspectable, operable
from postroad.engine.checks import checked_count
from postroad.errors import NotFound
from postroad.ports.driver import Driver, Located, QueueDepth

T = TypeVar("T")


class Peeked(Generic[T]):
    """A message that waits. ``due_at``: wall-clock seconds, of a delayed one."""

    def __init__(self, located: Located, read: Callable[[Message], Any]) -> None:
        self.message = located.message
        self.id = located.id
        self.attempt = located.attempt
        self.place = located.place
        self.due_at = located.due_at
        self.read = read

    @cached_property
    def body(self) -> T:
        """As its handler would get it. Raises Undecodable."""
        body: T = self.read(self.message)
        return body

    @property
    def headers(self) -> dict[str, str]:
        """Its headers."""
        return self.message.headers

    def __repr__(self) -> str:
        return f"<Peeked {self.id}, {self.place}: {self.message.body[:60]!r}>"


def depth(queue: str) -> Question[int]:
    """How many wait. Raises NotFound."""

    async def question(driver: Driver) -> int:
        found = await depth_of(driver, queue)
        return found.ready + found.delayed

    return question


async def depth_of(driver: Driver, queue: str) -> QueueDepth:
    for found in await inspectable(driver).queues():
        if found.queue == queue:
            return found
    raise NotFound(f"There is no queue {queue!r} on this engine: it is declared by nobody, or with declare=False.")


def peek(queue: str, n: int, read: Callable[[Message], Any]) -> Question[list[Peeked[Any]]]:
    """The next ones."""
    limit = checked_count("n", n)

    async def question(driver: Driver) -> list[Peeked[Any]]:
        return [Peeked(located, read) for located in await inspectable(driver).peek(queue, limit)]

    return question


def purge(queue: str, limit: int | None) -> Question[int]:
    """Delete what waits."""
    most = None if limit is None else checked_count("limit", limit)

    async def question(driver: Driver) -> int:
        return await operable(driver).purge(queue, most)

    return question

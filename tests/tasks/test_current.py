"""``current``: inside a handler, and outside."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from postroad.core.delivery import Delivery
from postroad.core.message import Message
from postroad.engine.context import CURRENT, HandlerContext
from postroad.errors import NoCurrentTask, Unserialisable
from postroad.tasks.current import current

MESSAGE = Message("id-1", b"[]", headers={"by": "me"})


@pytest.fixture
def told() -> list[tuple[str, str]]:
    return []


@pytest.fixture
def context(told: list[tuple[str, str]]) -> Iterator[HandlerContext]:
    context = HandlerContext(
        Delivery(MESSAGE, "media", (1, 1), attempt=3), "shop.work", {"pool": 1}, lambda id, value: told.append((id, value))
    )
    token = CURRENT.set(context)
    yield context
    CURRENT.reset(token)


def test_inside(context: HandlerContext, told: list[tuple[str, str]]) -> None:
    task = current.task
    assert (task.id, task.name, task.attempt, task.queue, dict(task.headers)) == ("id-1", "shop.work", 3, "media", {"by": "me"})
    assert current.message is MESSAGE
    assert current.state == {"pool": 1}
    task.progress(1, 4, note="hi")
    assert told == [("id-1", '{"current":1,"total":4,"meta":{"note":"hi"}}')]
    with pytest.raises(Unserialisable, match="progress"):
        task.progress(1, thing=object())
    with pytest.raises(NoCurrentTask, match=r"current\.event is only there while.* What runs is shop\.work, and its message is no"):
        current.event


@pytest.mark.parametrize("name", ["id", "name", "attempt", "queue", "headers"])
def test_outside_there_is_no_task(name: str) -> None:
    with pytest.raises(NoCurrentTask, match=f"current.task.{name} is only there while"):
        getattr(current.task, name)


def test_outside() -> None:
    current.task.progress(1, 4)
    for ask in (lambda: current.message, lambda: current.state, lambda: current.event, lambda: current.run_in_thread(print)):
        with pytest.raises(NoCurrentTask):
            ask()


def in_thread(function: Any) -> Any:
    answers: list[Any] = []
    thread = threading.Thread(target=lambda: answers.append(function()))
    thread.start()
    thread.join(10)
    return answers[0]


def test_threads_do_not_inherit_it_unless_asked(context: HandlerContext) -> None:
    assert in_thread(CURRENT.get) is None
    future = current.run_in_thread(CURRENT.get)
    assert future.result(10) is context
    assert current.run_in_thread(lambda a, b=0: a + b, 1, b=2).result(10) == 3
    with pytest.raises(ZeroDivisionError):
        current.run_in_thread(lambda: 1 // 0).result(10)


def test_a_thread_can_be_awaited(context: HandlerContext) -> None:
    async def handler() -> str:
        return await current.run_in_thread(lambda: current.task.id)

    assert asyncio.run(handler()) == "id-1"

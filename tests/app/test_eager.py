"""Eager mode: an in-process event bus."""

from __future__ import annotations

from typing import Any

import pytest

from postroad import App, Drop, Retry, RetryLater, current, errors


@pytest.fixture
def app() -> App:
    return App("sqlite:////nowhere/at/all.db")


def test_handlers_run_at_once_in_the_caller(app: App) -> None:
    import threading

    seen: list[Any] = []

    @app.task
    def child(number: int) -> int:
        seen.append(("child", number))
        return number * 2

    @app.task
    def parent(number: int) -> str:
        seen.append(("parent", threading.current_thread() is threading.main_thread()))
        result = child.delay(number)
        seen.append("after")
        return result.id

    with app.eager():
        result = parent.delay(3)
        assert seen == [("parent", True), "after", ("child", 3)]
        assert app.result(result.get(), of=child).get() == 6
        assert result.status().state == "SUCCEEDED"
        many = app.send_many([child.s(1), child.s(2)])
        assert app.wait_all(many) == [2, 4]
    assert result.get(), "a Result keeps its way home"


def test_errors_are_isolated(app: App) -> None:
    ran: list[str] = []

    @app.task(retry=Retry(max=2, base="1h"))
    def flaky() -> int:
        ran.append("flaky")
        if current.task.attempt < 3:
            raise OSError("no")
        return current.task.attempt

    @app.task
    def child() -> None:
        ran.append("child")

    @app.task
    def fails() -> None:
        child.delay()
        raise ValueError("mine")

    @app.task
    def drops() -> None:
        raise Drop("why")

    @app.task
    def for_ever() -> None:
        raise RetryLater(after=1, counted=False)

    with app.eager():
        assert flaky.delay().get() == 3, "retried at once"
        failed = fails.delay()
        assert "child" not in ran, "a handler that fails sends nothing"
        with pytest.raises(ValueError, match="mine"):
            failed.get()
        with pytest.raises(errors.TaskDropped):
            drops.delay().get()
        with pytest.raises(errors.NotFound):
            for_ever.delay().get()


def test_coroutines_from_blocking_code(app: App) -> None:
    @app.task
    async def double(number: int) -> int:
        return number * 2

    with app.eager():
        assert double.delay(4).get() == 8


async def test_coroutines_on_the_callers_loop(app: App) -> None:
    import asyncio

    loops: list[Any] = []

    @app.task
    async def double(number: int) -> int:
        loops.append(asyncio.get_running_loop())
        return number * 2

    @app.task
    def plain(number: int) -> int:
        return number

    with app.eager():
        assert await (await double.adelay(4)).aget() == 8
        assert await (await plain.adelay(4)).aget() == 4
        with pytest.raises(errors.BlockingCallOnLoop):
            plain.delay(1)
    assert loops == [asyncio.get_running_loop()]


def test_arguments_are_checked_as_ever(app: App) -> None:
    @app.task
    def double(number: int) -> int:
        return number * 2

    sent: Any = double
    with app.eager():
        with pytest.raises(errors.ArgumentsDoNotFit):
            sent.delay("x")
        assert double.options(id="a").delay(1).get() == 2
        assert double.options(id="a").delay(1).duplicate
        assert not double.delay(1).revoke()


def test_a_task_of_a_task_sent_at_once(app: App) -> None:
    order: list[str] = []

    @app.task
    def child() -> None:
        order.append("child")

    @app.task
    def parent() -> None:
        child.options(send_now=True).delay()
        order.append(current.task.name.rpartition(".")[2])

    with app.eager():
        parent.delay().get()
    assert order == ["child", "parent"]

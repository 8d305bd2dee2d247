"""Promise 5, as handlers see it: what they send leaves with their outcome."""

from __future__ import annotations

import asyncio
import os
import threading
from typing import Any

import pytest

from postroad import App, Result, current, errors
from postroad.engine.context import HANDLER_SENDS_MAX


@pytest.fixture
def ran(app: App) -> list[int]:
    """What `note` was called with, so far."""
    seen: list[int] = []

    @app.task(name="note")
    def note(number: int) -> int:
        seen.append(number)
        return number

    return seen


def note_of(app: App) -> Any:
    return app.tasks["note"]


def drain(app: App) -> None:
    """Run what is ready, to the end."""
    with app.worker(threads=2):
        while any(queue.ready or queue.in_flight for queue in app.inspect.queues()):
            pass


def test_they_leave_with_success_and_not_with_failure(app: App, ran: list[int]) -> None:
    note = note_of(app)

    @app.task
    def parent(fails: bool) -> list[str]:
        results = [note.delay(1), *app.send_many([note.s(2), note.s(3)])]
        assert app.inspect.queues()[0].ready == 0, "nothing has left yet"
        if fails:
            raise ValueError("after sending")
        return [result.id for result in results]

    @app.task
    async def parent_async(fails: bool) -> list[str]:
        results = [await note.adelay(4), note.delay(5), *await app.asend_many([note.s(6)])]
        if fails:
            raise ValueError("after sending")
        return [result.id for result in results]

    with app.worker(threads=1):
        for task, expected in [(parent, [1, 2, 3]), (parent_async, [4, 5, 6])]:
            with pytest.raises(ValueError, match="after sending"):
                task.delay(True).get(timeout=10)
            ids = task.delay(False).get(timeout=10)
            assert app.wait_all(app.results(ids), timeout=10) == expected
    assert sorted(ran) == [1, 2, 3, 4, 5, 6]


def test_send_now_does_not_wait_for_the_outcome(app: App, ran: list[int]) -> None:
    note = note_of(app)

    @app.task
    def parent() -> None:
        with app.send_now():
            note.delay(1)
            app.send_many([note.s(2)])
        note.options(send_now=True).delay(3)
        app.send_many([note.s(4), note.options(send_now=True).s(5), note.s(6)])
        note.delay(7)
        raise ValueError("after sending")

    @app.task
    async def parent_async() -> None:
        with app.send_now():
            await note.adelay(11)
        await note.options(send_now=True).adelay(12)
        await note.adelay(13)
        raise ValueError("after sending")

    with app.worker(threads=1):
        for task in (parent, parent_async):
            with pytest.raises(ValueError, match="after sending"):
                task.delay().get(timeout=10)
    drain(app)
    assert sorted(ran) == [1, 2, 3, 5, 11, 12]


def refused_in_handler(app: App, body: Any) -> Exception:
    """The error that this body meets inside a handler."""
    met: list[Exception] = []

    @app.task(name="body")
    def task() -> None:
        try:
            body()
        except Exception as error:
            met.append(error)

    with app.worker(threads=1):
        task.delay().get(timeout=10)
    assert met, "nothing was raised"
    return met[0]


def test_waiting_for_what_this_handler_sent(app: App, ran: list[int]) -> None:
    note = note_of(app)
    error = refused_in_handler(app, lambda: note.delay(1).get(timeout=5, in_handler=True))
    assert isinstance(error, errors.WouldDeadlock)
    for word in ("|", "chord", "send_now=True"):
        assert word in str(error)
    assert isinstance(refused_in_handler(app, lambda: app.wait_all([note.delay(1)])), errors.WouldDeadlock)


def test_waiting_for_another_task_in_a_handler(app: App, ran: list[int]) -> None:
    note = note_of(app)
    waiting: Result[int] = note.options(countdown=2).delay(1)
    for ask in (waiting.get, lambda: waiting.get(timeout=1), lambda: waiting.get(in_handler=True), lambda: app.wait_all([waiting])):
        error = refused_in_handler(app, ask)
        assert isinstance(error, errors.WouldDeadlock)
        assert "in_handler=True" in str(error)

    @app.task
    def patient() -> tuple[int, int]:
        return waiting.get(timeout=10, in_handler=True), waiting.get()

    with app.worker(threads=2):
        assert patient.delay().get(timeout=10) == (1, 1)


def test_too_many_sends(app: App, ran: list[int]) -> None:
    note = note_of(app)

    @app.task
    def parent(count: int) -> None:
        app.send_many(note.s(number) for number in range(count))

    with app.worker(threads=1), pytest.raises(errors.TooManySends, match="10,000 messages"):
        parent.delay(HANDLER_SENDS_MAX + 1).get(timeout=20)
    assert app.inspect.queues()[0].ready == 0, "none of them left"


def test_threads_of_a_handler_send_at_once_unless_they_carry_its_buffer(app: App, ran: list[int]) -> None:
    note = note_of(app)

    @app.task
    def parent() -> None:
        thread = threading.Thread(target=note.delay, args=(1,))
        thread.start()
        thread.join(10)
        current.run_in_thread(note.delay, 2).result(10)
        raise ValueError("after sending")

    with app.worker(threads=1), pytest.raises(ValueError, match="after sending"):
        parent.delay().get(timeout=10)
    drain(app)
    assert ran == [1]


def test_a_closed_buffer_takes_nothing(app: App, ran: list[int]) -> None:
    note = note_of(app)
    ended, met = threading.Event(), []

    def after_the_end() -> None:
        ended.wait(10)
        note.delay(1)

    @app.task
    def parent() -> None:
        met.append(current.run_in_thread(after_the_end))

    @app.task
    async def parent_async() -> None:
        async def later() -> None:
            await asyncio.to_thread(ended.wait, 10)
            await note.adelay(1)

        met.append(asyncio.create_task(later()))

    with app.worker(threads=1):
        parent.delay().get(timeout=10)
        parent_async.delay().get(timeout=10)
        ended.set()
        with pytest.raises(errors.HandlerEnded):
            met[0].result(10)
        while not met[1].done():
            pass
        assert isinstance(met[1].exception(), errors.HandlerEnded)
    assert ran == []


def test_a_fork_of_a_handler_is_no_handler(app: App, ran: list[int]) -> None:
    note = note_of(app)

    @app.task
    def parent() -> int:
        child = os.fork()
        if not child:
            try:
                note.delay(1)
                os._exit(0)
            except BaseException:
                os._exit(1)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    with app.worker(threads=1):
        assert parent.delay().get(timeout=20) == 0
    drain(app)
    assert ran == [1], "it left by itself, at once"


def test_the_limit_counts_bytes_too(app: App, ran: list[int]) -> None:
    @app.task(name="swallow")
    def swallow(text: str) -> None: ...

    text = "x" * 6_000_000

    def body() -> None:
        for _ in range(3):
            swallow.delay(text)

    assert isinstance(refused_in_handler(app, body), errors.TooManySends)

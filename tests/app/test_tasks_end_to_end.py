"""Tasks on the embedded engine, with a worker in this process: what a user sees."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import Any, cast

import msgspec
import pytest

from postroad import App, DeadLetter, Drop, Result, Retry, RetryLater, current, errors
from postroad.ports.driver import DeadLetterFilter, Inspectable


class Custom(Exception):
    pass


class Point(msgspec.Struct):
    x: int
    y: int


def add(a: int, b: int = 1) -> int:
    return a + b


def test_from_delay_to_get(app: App) -> None:
    task = app.task(add)

    @app.task
    async def add_async(a: int, b: int) -> int:
        return a + b

    @app.task
    def moved(point: Point, by: int) -> Point:
        return Point(point.x + by, point.y)

    result = task.delay(2, b=3)
    assert result.status().state == "PENDING"
    with app.worker(threads=2):
        assert result.get(timeout=10) == 5
        assert add_async.delay(1, 2).get(timeout=10) == 3
        assert moved.delay(Point(1, 2), 5).get(timeout=10) == Point(6, 2), "decoded by the return annotation"
        status = result.status()
    assert (status.state, status.attempt, status.error) == ("SUCCEEDED", 1, None)
    assert status.started_at is not None
    assert status.finished_at is not None
    assert status.queued_at <= status.started_at <= status.finished_at <= datetime.now(UTC)
    assert app.result(result.id).get() == 5
    assert app.result(result.id, of=task).get() == 5


async def test_the_same_awaited(app: App) -> None:
    task = app.task(add)
    result = await task.adelay(2, b=3)
    assert (await result.astatus()).state == "PENDING"
    async with app.worker(threads=2):
        assert await result.aget(timeout=10) == 5
        results = await app.asend_many(task.s(number) for number in range(20))
        assert await app.await_all(results, timeout=10) == [number + 1 for number in range(20)]
    await app.aclose()


def test_errors_come_back(app: App) -> None:
    @app.task
    def fails(text: str) -> None:
        raise Custom(text, 3)

    @app.task
    def exits() -> None:
        raise SystemExit(3)

    with app.worker(threads=2):
        with pytest.raises(Custom) as raised:
            fails.delay("no").get(timeout=10)
        assert raised.value.args == ("no", 3)
        assert "raise Custom(text, 3)" in str(raised.value.__cause__)
        with pytest.raises(errors.TaskFailed, match="SystemExit: 3") as stopped:
            exits.delay().get(timeout=10)
        assert stopped.value.error_type == "SystemExit"
        failed = fails.delay("again")
        with pytest.raises(errors.GroupFailed) as group:
            app.wait_all([failed, exits.delay()], timeout=10)
        assert [type(error) for error in group.value.exceptions] == [Custom, errors.TaskFailed]
        assert failed.status().state == "FAILED"
        assert failed.status().error == f"{__name__}.Custom: ('again', 3)"


def test_retries_signals_and_routes(app: App) -> None:
    seen: list[int] = []

    @app.task(retry=Retry(max=3, base=0.01), on_error={KeyError: Drop("not ours"), ValueError: DeadLetter("escalated")})
    def work(how: str) -> str:
        seen.append(current.task.attempt)
        if how == "flaky" and current.task.attempt < 3:
            raise OSError("not yet")
        if how == "later" and current.task.attempt == 1:
            raise RetryLater(after=0.01)
        if how == "again" and len(seen) < 3:
            raise RetryLater(after=0.01, counted=False)
        if how == "drop":
            raise Drop("why")
        if how == "dead":
            raise DeadLetter("bad address")
        if how in ("key", "value"):
            raise {"key": KeyError, "value": ValueError}[how](how)
        return how

    with app.worker(threads=1):
        for how, attempts in [("flaky", [1, 2, 3]), ("later", [1, 2]), ("again", [1, 1, 1])]:
            seen.clear()
            assert work.delay(how).get(timeout=10) == how
            assert seen == attempts
        for how, kind, words in [
            ("drop", errors.TaskDropped, "why"),
            ("dead", errors.TaskDead, "bad address"),
            ("key", errors.TaskDropped, "not ours"),
            ("value", errors.TaskDead, "escalated"),
        ]:
            with pytest.raises(kind, match=words):
                work.delay(how).get(timeout=10)


def test_times(app: App) -> None:
    task = app.task(add)
    later = task.options(countdown=0.2).delay(1)
    never = task.options(countdown=0.2, expires=0.1).delay(1)
    assert later.status().state == "SCHEDULED"
    with app.worker(threads=1):
        assert later.get(timeout=10) == 2
        with pytest.raises(errors.TaskExpired):
            never.get(timeout=10)
    assert never.status().state == "EXPIRED"


def test_a_unique_key_and_an_id_of_ones_own(app: App) -> None:
    task = app.task(add)
    first = task.options(unique_key="k").delay(1)
    second = task.options(unique_key="k").delay(2)
    assert (second.id, second.duplicate, first.duplicate) == (first.id, True, False)
    assert task.options(unique_key="other").delay(1).id != first.id
    mine = task.options(id="mine").delay(1)
    again = task.options(id="mine").delay(1)
    assert (mine.id, again.id, mine.duplicate, again.duplicate) == ("mine", "mine", False, True)
    with app.worker(threads=1):
        assert second.get(timeout=10) == 2
        assert again.get(timeout=10) == 2
    assert not task.options(unique_key="k").delay(1).duplicate, "the key is free once the first is done"
    assert task.options(id="mine").delay(1).duplicate, "the id is not"


def test_revoke(app: App) -> None:
    task = app.task(add)
    result = task.delay(1)
    assert result.revoke()
    assert result.status().state == "REVOKED"
    assert not result.revoke(), "it has ended already"
    with pytest.raises(errors.TaskRevoked):
        result.get()
    with pytest.raises(errors.NotSupported, match="terminate=True"):
        result.revoke(terminate=True)
    with pytest.raises(errors.NotFound):
        app.revoke("nobody")
    scheduled = task.options(countdown=60).delay(1)
    assert app.revoke(scheduled.id)
    assert app.inspect.stats().delayed == 0


def test_results_that_are_not_kept(app: App) -> None:
    ran = threading.Event()

    @app.task(keep_result=None)
    def work() -> None:
        ran.set()

    result = work.delay()
    for ask in (result.get, result.status, result.revoke, lambda: app.wait_all([result])):
        with pytest.raises(errors.ResultsDisabled, match="keep_result"):
            ask()
    with app.worker(threads=1):
        assert ran.wait(10)


def test_ids_nobody_knows(app: App) -> None:
    unknown: Result[Any] = app.result("nobody")
    with pytest.raises(errors.NotFound):
        unknown.get()
    with pytest.raises(errors.NotFound):
        unknown.status()


def test_progress(app: App) -> None:
    reported, go_on = threading.Event(), threading.Event()

    @app.task
    def work() -> None:
        current.task.progress(1, 4, stage="one")
        reported.set()
        assert go_on.wait(10)

    with app.worker(threads=1):
        result = work.delay()
        assert reported.wait(10)
        seen: Any = None
        while seen is None:
            status = result.status()
            seen = status.progress
        assert (status.state, seen.current, seen.total, seen.meta) == ("RUNNING", 1, 4, {"stage": "one"})
        go_on.set()
        result.get(timeout=10)


def test_a_timeout_ends_the_wait_and_not_the_task(app: App) -> None:
    task = app.task(add)
    result = task.delay(1)
    with pytest.raises(errors.ResultTimeout, match="it goes on"):
        result.get(timeout=0.05)
    with pytest.raises(TimeoutError):
        result.get(timeout="10ms")
    with app.worker(threads=1):
        assert result.get(timeout=10) == 2


def test_a_result_that_is_too_large(url: str) -> None:
    with App(url, body_bytes_max=1000) as app:

        @app.task
        def work(size: int) -> str:
            return "x" * size

        with app.worker(threads=1):
            assert len(work.delay(900).get(timeout=10)) == 900
            with pytest.raises(errors.TooLarge, match=r"result of .*work has 2,002 bytes, over the limit of 1,000"):
                work.delay(2000).get(timeout=10)
        letters = app.ask(lambda driver: cast(Inspectable, driver).dead_letters(DeadLetterFilter(), 10))
        assert [letter.message.body for letter in letters] == [b"[[2000],{}]"], "the dead letter keeps the call"
        with pytest.raises(errors.TooLarge, match="over the limit of 1,000"):
            app.task(add).delay(10**1200)


def test_the_lifespan_is_the_state(url: str) -> None:
    from contextlib import asynccontextmanager, contextmanager

    steps: list[str] = []

    @contextmanager
    def plain() -> Any:
        steps.append("open")
        yield {"pool": 3}
        steps.append("closed")

    @asynccontextmanager
    async def with_app(app: App) -> Any:
        steps.append(app.name)
        yield app.name

    for lifespan, expected in [(plain, {"pool": 3}), (with_app, "shop")]:
        with App(url, name="shop", lifespan=lifespan) as app:

            @app.task(name="state")
            def state() -> Any:
                return current.state

            with app.worker(threads=1):
                assert state.delay().get(timeout=10) == expected
    assert steps == ["open", "closed", "shop"]


def test_a_lifespan_that_is_no_context_manager(url: str) -> None:
    def wrong() -> Any:
        return 3

    with App(url, lifespan=wrong) as app:
        app.task(add)
        with pytest.raises(errors.ConfigurationError, match="no context manager"), app.worker(threads=1):
            pass

"""Hooks around sends and handlers."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from postroad import App, Delivery, Middleware, Send, errors
from postroad.app.middleware import wrapped


class Stamp(Middleware):
    def before_send(self, send: Send) -> Send:
        headers = send.message.headers | {"stamp": "yes"}
        return Send(send.to, msgspec.structs.replace(send.message, headers=headers))


class Log(Middleware):
    def __init__(self, lines: list[str], name: str) -> None:
        self.lines = lines
        self.name = name

    def before_run(self, delivery: Delivery) -> None:
        self.lines.append(f"{self.name} before {delivery.message.headers.get('stamp')}")

    def after_run(self, delivery: Delivery, error: BaseException | None) -> None:
        self.lines.append(f"{self.name} after {type(error).__name__}")


@pytest.fixture
def lines(app: App) -> list[str]:
    lines: list[str] = []
    app.use(Stamp())
    app.use(Log(lines, "outer"))
    app.use(Log(lines, "inner"))
    return lines


def test_around_handlers(app: App, lines: list[str]) -> None:
    @app.task
    def work(fails: bool) -> int:
        lines.append("run")
        if fails:
            raise ValueError("no")
        return 1

    @app.task
    async def work_async(fails: bool) -> int:
        return work(fails)

    order = ["outer before yes", "inner before yes", "run"]
    with app.worker(threads=1):
        for task in (work, work_async):
            lines.clear()
            assert task.delay(False).get(timeout=10) == 1
            assert lines == [*order, "inner after NoneType", "outer after NoneType"]
            lines.clear()
            with pytest.raises(ValueError, match="no"):
                task.delay(True).get(timeout=10)
            assert lines == [*order, "inner after ValueError", "outer after ValueError"]


def test_sends_of_every_kind_pass(app: App, lines: list[str]) -> None:
    @app.task
    def child() -> None: ...

    @app.task
    def parent() -> None:
        child.delay()

    with app.testing() as t:
        parent.delay()
        app.send_many([child.s()])
        t.drain()
        assert [sent.message.headers["stamp"] for sent in t.sent] == ["yes"] * 3
    with app.eager():
        parent.delay().get()


def test_a_hook_that_raises_is_the_handlers_error(app: App) -> None:
    class Gate(Middleware):
        def before_run(self, delivery: Delivery) -> None:
            raise PermissionError("closed")

    app.use(Gate())

    @app.task
    def work() -> None:
        raise AssertionError("not reached")

    with app.worker(threads=1), pytest.raises(PermissionError, match="closed"):
        work.delay().get(timeout=10)


def test_what_is_not_overridden_costs_nothing(app: App) -> None:
    app.use(Middleware())
    route = app.route
    assert route is app.plain_route

    class Handler:
        function = staticmethod(len)

    handler: Any = Handler()
    assert wrapped(handler, [Stamp(), Middleware()]) is handler
    assert handler.function is len


def test_what_is_no_middleware(app: App) -> None:
    use: Any = app.use
    with pytest.raises(errors.ConfigurationError, match=r"inherits postroad\.Middleware"):
        use(Stamp)

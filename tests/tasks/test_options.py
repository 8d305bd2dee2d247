"""What may be said of a task, and what comes of it in its messages."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from tests.tasks.owner import Shop

from postroad.core.message import Unique
from postroad.core.retry import Retry
from postroad.errors import (
    ConfigurationError,
    DeadLetter,
    Drop,
    InvalidName,
    InvalidOption,
    NotSupported,
    TooLarge,
    Unserialisable,
)
from postroad.tasks.definition import Definition
from postroad.tasks.options import NOT_BUILT, TaskOptions, policy_of
from postroad.tasks.task import Task


def work(path: str, width: int = 3) -> str:
    return path * width


async def work_async(path: str) -> str:
    return path


def test_the_defaults() -> None:
    policy = policy_of(TaskOptions())
    assert policy.queue == "default"
    assert policy.retry is None
    assert policy.routes == {}
    assert policy.priority == 4
    assert policy.expires_s is None
    assert policy.keep_s == 86400
    assert policy.max_deliveries == 5
    assert not policy.order_skip


def test_what_a_task_says_is_over_what_the_app_says_which_is_over_the_defaults() -> None:
    app = TaskOptions(retry=Retry(max=3), keep_result="2d", queue="media", priority=7)
    policy = policy_of(TaskOptions(retry=None, keep_result=None, priority=0).over(app))
    assert (policy.retry, policy.keep_s, policy.queue, policy.priority) == (None, None, "media", 0)
    policy = policy_of(TaskOptions(keep_result=0).over(app))
    assert (policy.retry, policy.keep_s) == (Retry(max=3), 0)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"priority": 10}, "priority=10"),
        ({"priority": True}, "priority=True"),
        ({"priority": "high"}, "priority='high'"),
        ({"max_deliveries": 0}, "max_deliveries=0"),
        ({"expires": "soon"}, "expires='soon'"),
        ({"expires": -1}, "expires=-1"),
        ({"keep_result": "1 fortnight"}, "keep_result="),
        ({"executor": "greenlet"}, "executor='greenlet'"),
        ({"order": "random"}, "order='random'"),
        ({"retry": 3}, "retry=3: write retry=Retry"),
        ({"on_error": {ValueError: 3}}, "the right side is Drop"),
        ({"on_error": {ValueError: Drop}}, "the right side is Drop"),
        ({"on_error": {"ValueError": Drop()}}, "the left side is an exception type"),
    ],
)
def test_options_that_cannot_be(options: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidOption, match=words):
        TaskOptions(**options)
    with pytest.raises(InvalidName):
        TaskOptions(queue="a\nb")


@pytest.mark.parametrize("option", NOT_BUILT)
def test_options_that_are_not_built_yet(option: str) -> None:
    with pytest.raises(NotSupported, match=f"^{option}: not built yet$"):
        TaskOptions(**{option: "1h"})
    assert TaskOptions(**{option: None}) == TaskOptions()


def test_error_routes_are_kept_in_order() -> None:
    routes = {ValueError: Drop(), Exception: DeadLetter("escalated")}
    assert list(policy_of(TaskOptions(on_error=routes)).routes.items()) == list(routes.items())


@pytest.mark.parametrize(
    ("function", "executor", "expected"),
    [(work, None, "thread"), (work, "process", "process"), (work_async, None, "coroutine"), (work_async, "coroutine", "coroutine")],
)
def test_where_it_runs(function: Any, executor: Any, expected: str) -> None:
    assert Definition(function, TaskOptions(executor=executor), "work").executor == expected


@pytest.mark.parametrize(("function", "executor"), [(work, "coroutine"), (work_async, "thread"), (work_async, "process")])
def test_where_it_cannot_run(function: Any, executor: str) -> None:
    with pytest.raises(InvalidOption, match=f"executor='{executor}' cannot run work"):
        Definition(function, TaskOptions(executor=executor), "work")


def test_generators_are_no_tasks() -> None:
    def lines() -> Any:
        yield 1

    async def lines_async() -> Any:
        yield 1

    for function in (lines, lines_async):
        with pytest.raises(ConfigurationError, match="generator function"):
            Definition(function, TaskOptions(), "lines")


def test_the_message_of_a_call() -> None:
    shop = Shop()
    task = shop.task(work, "shop.work", queue="media", priority=7, expires="1m")
    before = time.time()
    result = task.delay("a", width=2)
    message = shop.message
    assert result.id == message.id
    assert shop.last.to.routing_key == "media"
    assert message.body == b'[["a",2],{}]'
    assert message.content_type == "application/json"
    assert message.headers == {"postroad-task": "shop.work"}
    assert (message.priority, message.key, message.due_at, message.track, message.dedupe) == (7, None, None, True, False)
    assert before <= message.queued_at <= time.time()
    assert message.expires_at is not None
    assert 60 <= message.expires_at - before < 61


def test_options_of_one_call() -> None:
    shop = Shop()
    task = shop.task(work, "shop.work")
    special = task.options(
        countdown="5m", priority=0, queue="slow", key="cat", unique_key="k", headers={"by": "me"}, id="mine", expires=3600
    )
    result = special.delay("a")
    message = shop.message
    assert result.id == message.id == "mine"
    assert message.dedupe
    assert shop.last.to.routing_key == "slow"
    assert (message.priority, message.key, message.unique) == (0, "cat", Unique("shop.work\x1fk"))
    assert message.headers == {"by": "me", "postroad-task": "shop.work"}
    assert message.due_at is not None
    assert message.expires_at is not None
    assert message.due_at - message.queued_at == 300
    assert message.expires_at - message.queued_at == 3600
    task.delay("a")
    assert shop.message.headers == {"postroad-task": "shop.work"}, "the task itself stays as it was"


def test_options_add_up() -> None:
    shop = Shop()
    task = shop.task(work, "shop.work").options(priority=9, countdown=5).options(countdown=0, queue="slow")
    task.delay("a")
    assert (shop.message.priority, shop.last.to.routing_key) == (9, "slow")
    assert shop.message.due_at == shop.message.queued_at


def test_eta_is_in_the_apps_zone_unless_it_says_another() -> None:
    shop = Shop(zone=ZoneInfo("Europe/Berlin"))
    task = shop.task(work, "shop.work")
    task.options(eta=datetime(2026, 7, 1, 12)).delay("a")
    assert shop.message.due_at == datetime(2026, 7, 1, 10, tzinfo=UTC).timestamp()
    task.options(eta=datetime(2026, 7, 1, 12, tzinfo=UTC), expires=datetime(2026, 7, 1, 13, tzinfo=UTC)).delay("a")
    assert shop.message.due_at == datetime(2026, 7, 1, 12, tzinfo=UTC).timestamp()
    assert shop.message.expires_at == datetime(2026, 7, 1, 13, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("options", "words", "kind"),
    [
        ({"countdown": 1, "eta": datetime(2026, 1, 1)}, "give one of them", InvalidOption),
        ({"countdown": -1}, "countdown=-1", InvalidOption),
        ({"eta": 5}, "eta=5", InvalidOption),
        ({"priority": 11}, "priority=11", InvalidOption),
        ({"expires": "soon"}, "expires='soon'", InvalidOption),
        ({"id": ""}, "id=''", InvalidOption),
        ({"id": "a\nb"}, "id=", InvalidOption),
        ({"headers": {"a": 1}}, "'a' is int", Unserialisable),
        ({"headers": {"a": "x" * 70_000}}, "headers have", TooLarge),
        ({"headers": {"Postroad-Task": "other"}}, "the engine's own", InvalidOption),
        ({"queue": ""}, "no queue name", InvalidName),
        ({"key": "x" * 600}, "600 characters", InvalidOption),
    ],
)
def test_options_of_a_call_that_cannot_be(options: dict[str, Any], words: str, kind: type[Exception]) -> None:
    shop = Shop()
    task = shop.task(work, "shop.work")
    with pytest.raises(kind, match=words):
        task.options(**options).delay("a")
    assert not shop.kept.sends


def test_keys() -> None:
    shop = Shop()
    shop.task(work, "a", key="path").delay("cat")
    assert shop.message.key == "cat"
    shop.task(work, "a", key="width").delay("cat")
    assert shop.message.key == "3", "a default is a value too"
    shop.task(work, "a", key=lambda path, width=0: f"{path}/{width}").delay("cat", width=2)
    assert shop.message.key == "cat/2"
    shop.task(work, "a", key=lambda path: None).delay("cat")
    assert shop.message.key is None
    shop.task(work, "a", key="path", order="skip").options(key="dog").delay("cat")
    assert (shop.message.key, shop.message.order_skip) == ("dog", True)
    with pytest.raises(InvalidOption, match="no such parameter; did you mean 'path'"):
        shop.task(work, "a", key="pth")


def test_a_task_is_still_its_function() -> None:
    shop = Shop()
    task = shop.task(work)
    assert task("ab", 2) == "abab"
    assert task.__name__ == "work"
    assert task.__wrapped__ is work  # type: ignore[attr-defined]
    assert task.name == f"{__name__}.work"


def test_a_routers_task_that_no_app_includes() -> None:
    task: Task[..., Any, Any] = Task(Definition(work, TaskOptions(), "shop.work"))
    with pytest.raises(ConfigurationError, match=r"app\.include\(router\)"):
        task.delay("a")
    assert task("a") == "aaa"


def test_result_that_is_not_kept_is_not_tracked() -> None:
    shop = Shop(TaskOptions(keep_result=timedelta(hours=1)))
    shop.task(work, "a").delay("x")
    assert shop.message.track
    shop.task(work, "a", keep_result=None).delay("x")
    assert not shop.message.track

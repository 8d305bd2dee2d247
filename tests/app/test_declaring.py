"""Declaring: on the app, on routers, wrongly, twice."""

from __future__ import annotations

from typing import Any

import pytest

from postroad import App, Router, Task, TaskOptions, errors
from postroad.app.declaring import FOREIGN


def work(path: str) -> str:
    return path


def test_with_and_without_options() -> None:
    app = App("memory://")
    plain = app.task(work)
    named = app.task(name="named", queue="media", priority=9)(work)
    assert isinstance(plain, Task)
    assert dict(app.tasks) == {f"{__name__}.work": plain, "named": named}
    assert app.queues() == ("default", "media")


def test_a_router_is_sent_through_the_app_that_includes_it(url: str) -> None:
    router = Router()

    @router.task(name="resize", queue="media")
    def resize(path: str) -> str:
        return path

    assert resize("a") == "a"
    with pytest.raises(errors.ConfigurationError, match=r"app\.include\(router\)"):
        resize.delay("a")
    for name in ("first", "second"):
        with App(url, name=name, task_defaults=TaskOptions(keep_result=None if name == "first" else "1h")) as app:
            app.include(router)
            result = resize.delay("a")
            if name == "first":
                with pytest.raises(errors.ResultsDisabled):
                    result.status()
            else:
                assert result.status().state == "PENDING"
            assert app.inspect.queues()[0].queue == "media"


def test_one_name_means_one_function() -> None:
    app = App("memory://")
    app.task(name="work")(work)
    app.task(name="work")(work)

    def other(path: str) -> str:
        return path

    with pytest.raises(errors.ConfigurationError, match=r"Two tasks are named 'work'.*declaring\.py:work and .*other"):
        app.task(name="work")(other)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"retri": 3}, "there is no such option; did you mean 'retry'?"),
        ({"prioritee": 3}, "did you mean 'priority'?"),
        ({"zzz": 3}, "Known: queue, executor"),
        ({"max_retries": 3}, "Instead: retry=Retry"),
        ({"ignore_result": True}, "Instead: keep_result=None"),
        ({"acks_late": True}, "Instead: nothing"),
    ],
)
def test_options_that_a_task_does_not_have(options: dict[str, Any], words: str) -> None:
    task: Any = App("memory://").task
    with pytest.raises(errors.InvalidOption) as refused:
        task(**options)
    assert words in str(refused.value)


def test_options_of_others_are_not_ours() -> None:
    assert not set(FOREIGN) & set(TaskOptions.__struct_fields__)


def test_things_that_are_no_functions() -> None:
    app = App("memory://")
    task: Any = app.task
    for thing in ("celery.style.name", int, object(), app.task(work)):
        with pytest.raises(errors.ConfigurationError):
            task(thing)
    assert len(app.tasks) == 1


def test_a_task_that_is_declared_late_is_sent_to_its_own_queue(app: App) -> None:
    app.task(work).delay("a")

    @app.task(queue="late")
    def late(path: str) -> str:
        return path

    with app.worker(threads=1, queues=["default"]):
        late.delay("b")
    assert {queue.queue: queue.ready for queue in app.inspect.queues()} == {"default": 0, "late": 1}
    with app.worker(threads=1):
        assert late.delay("c").get(timeout=10) == "c"


def test_a_queue_that_nobody_declared(app: App) -> None:
    task = app.task(work)
    with pytest.raises(errors.Unroutable, match="no queue 'defalt'; did you mean 'default'"):
        task.options(queue="defalt").delay("a")
    with pytest.raises(errors.Unroutable) as refused:
        app.send_many([task.s("a"), task.options(queue="defalt").s("b")])
    assert any("1 were accepted and 1 refused" in note for note in refused.value.__notes__)
    assert app.inspect.queues()[0].ready == 1


def test_send_many_takes_signatures_of_this_app(app: App) -> None:
    task = app.task(work)
    other = App("memory://").task(name="other")(work)
    send_many: Any = app.send_many
    for wrong, words in [([task], "takes signatures"), ([other.s("a")], "another app"), (["a"], "takes signatures")]:
        with pytest.raises(errors.ConfigurationError, match=words):
            send_many(wrong)
    chained: Any = app.task(name="joined")(lambda path, more: path)
    with pytest.raises(errors.NotSupported, match="chain: not built yet"):
        send_many([task.s("a") | chained.s("b")])
    assert send_many([]) == []


def test_thousands_in_batches(app: App) -> None:
    task = app.task(work)
    results = app.send_many(task.s(str(number)) for number in range(12_345))
    assert len({result.id for result in results}) == 12_345
    assert [result.id for result in results] == sorted(result.id for result in results), "ids are in the order of sending"
    assert app.inspect.queues()[0].ready == 12_345

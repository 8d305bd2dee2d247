"""Declaring queues: the same twice, differently, beside tasks, on two routers, on two apps."""

from __future__ import annotations

from typing import Any

import pytest
from tests.queues.conftest import Seen

from postroad import App, Router, errors


def test_declared_alike_it_is_the_same(app: App) -> None:
    assert app.queue("work") is app.queue("work")
    bounded = app.queue("bounded", max_length=5, overflow="reject", ttl="1h")
    assert app.queue("bounded", max_length=5, overflow="reject", ttl=3600) is bounded


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"max_length": 6}, "max_length is 5 there and 6 here"),
        ({"max_length": 5, "overflow": "reject"}, "overflow is 'block' there and 'reject' here"),
        ({"max_length": 5, "ttl": 5}, "ttl_s is None there"),
        ({"max_length": 5, "declare": False}, "declare is True there"),
        ({"max_length": 5, "key": "user"}, "key is None there and 'user' here"),
        ({"max_length": 5, "schema": int}, "schema is None there"),
        ({}, "max_length is 5 there and None here"),
    ],
    ids=lambda part: str(part)[:30],
)
def test_declared_otherwise_it_is_a_conflict(app: App, options: dict[str, Any], words: str) -> None:
    app.queue("work", max_length=5)
    with pytest.raises(errors.TopologyConflict, match=rf"'work' is declared twice.*{words}"):
        app.queue("work", **options)


@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [
        ({"overflow": "reject"}, errors.InvalidOption, "no max_length says when"),
        ({"max_length": 5, "overflow": "drop"}, errors.InvalidOption, "overflow='drop'"),
        ({"max_length": 0}, errors.InvalidOption, "max_length=0"),
        ({"ttl": 0}, errors.InvalidOption, "ttl=0"),
        ({"ttl": "soon"}, errors.InvalidOption, "ttl='soon'"),
        ({"durable": False}, errors.NotSupported, "exclusive=True"),
        ({"kind": "list"}, errors.NotSupported, "leave kind= out"),
        ({"kind": "fast"}, errors.InvalidOption, "kind='fast'"),
        ({"key": 5}, errors.InvalidOption, "key=5"),
        ({"key": ""}, errors.InvalidOption, "key=''"),
    ],
    ids=lambda part: str(part)[:30],
)
def test_options_that_make_no_sense(app: App, options: dict[str, Any], kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        app.queue("work", **options)


@pytest.mark.parametrize("name", ["", "a\nb", "x" * 201, "postroad.mine"])
def test_names_that_are_none(app: App, name: str) -> None:
    with pytest.raises(errors.InvalidName):
        app.queue(name)


def test_a_tasks_queue_is_the_same_queue(app: App) -> None:
    q = app.queue("media", max_length=1, overflow="reject", max_priority=9)

    @app.task(queue="media", keep_result=None)
    def resize(path: str) -> None: ...

    resize.delay("cat.png")
    with pytest.raises(errors.QueueFull):
        resize.delay("dog.png")
    assert q.depth() == 1
    with pytest.raises(errors.TopologyConflict, match=r"'media' is declared twice in this app: carries is"):
        q.put("raw")


def test_a_mix_is_refused_at_the_start(app: App) -> None:
    @app.task(queue="media")
    def resize(path: str) -> None: ...

    @app.queue("media").consumer
    def handle(body: int) -> None: ...

    with pytest.raises(errors.TopologyConflict, match=r"'media' is declared twice in this app: carries is"), app.worker():
        pass


def test_declared_otherwise_on_the_engine(url: str) -> None:
    first, second = App(url), App(url)
    first.queue("work", max_length=5).put(1)
    with pytest.raises(errors.TopologyConflict, match="'work' exists otherwise: max_length is 5 there and 6 here"):
        second.queue("work", max_length=6).put(1)
    first.close()
    second.close()


def test_a_router_and_its_app_may_both_name_a_queue(app: App) -> None:
    router, other = Router(), Router()
    mine, its = app.queue("work", max_length=5), router.queue("work", max_length=5)
    app.include(router)
    its.put(1)
    mine.put(2)
    assert its.depth() == mine.depth() == 2
    other.queue("work", max_length=6)
    with pytest.raises(errors.TopologyConflict, match="max_length is 5 there and 6 here"):
        app.include(other)


def test_two_routers_with_a_consumer_each_for_one_queue(app: App) -> None:
    one, two = Router(), Router()

    @one.queue("work").consumer(name="handle 1")
    def first(body: int) -> None: ...

    @two.queue("work").consumer(name="handle 2")
    def second(body: int) -> None: ...

    app.include(one)
    with pytest.raises(errors.ConfigurationError, match="has a consumer already, handle 1; a second one, handle 2"):
        app.include(two)


def test_the_same_function_declared_once_more_takes_its_own_place(app: App, seen: Seen) -> None:
    for number in (1, 2):  # as a module that is imported again, or a notebook's cell, would

        @app.queue("work").consumer
        def handle(body: int, number: int = number) -> None:
            seen((number, body))

        @app.on_dead_letter
        def escalate(letter: Any) -> None: ...

    app.queue("work").put(5)
    with app.worker():
        assert seen.wait(1) == [(2, 5)]


def test_an_exclusive_queue_has_one_taker(url: str) -> None:
    first, second = App(url), App(url)
    one, two = first.queue("work", exclusive=True), second.queue("work", exclusive=True)
    one.put(1)
    with one.receive(timeout=5) as d, pytest.raises(errors.QueueExclusive, match="'work'"), two.receive(timeout=1):
        assert d.body == 1
    first.close()
    two.put(2)
    with two.receive(timeout=5) as d:
        assert d.body == 2
    second.close()


def test_a_temporary_queue_goes_with_its_process(url: str) -> None:
    asker, looker = App(url), App(url)
    replies = asker.queue("", exclusive=True)
    asker.queue("requests").put("ping", headers={"reply-to": replies.name})
    looker.queue(replies.name, declare=False).put("pong")
    with replies.receive(timeout=5) as d:
        assert d.body == "pong"
    assert replies.name in {one.queue for one in looker.inspect.queues()}
    asker.close()
    assert replies.name not in {one.queue for one in looker.inspect.queues()}
    looker.close()


def test_a_look_at_the_topology_makes_no_temporary_queue(app: App) -> None:
    q = app.queue("", exclusive=True)
    app.exchange("news", "fanout").bind(q)
    assert not app.topology().queues
    app.queue("work").put(1)
    assert {one.queue for one in app.inspect.queues()} == {"work", q.name}
    app.exchange("news", "fanout").publish(2)
    with q.receive(timeout=5) as d:
        assert d.body == 2


def test_declarations_do_no_io() -> None:
    app = App("sqlite:////nowhere/at/all.db")
    q = app.queue("work", max_length=5)
    app.exchange("logs").bind(q, "a.*")
    q.consumer(lambda body: None)
    app.on_dead_letter(lambda letter: None)
    assert repr(q) == "<Queue work>"
    with pytest.raises(errors.EngineError):
        q.put(1)


def test_a_gap_is_waited_for_at_least_a_little(app: App) -> None:
    with pytest.raises(errors.InvalidOption, match="gap_timeout=0"):

        @app.queue("numbered").consumer(sequence="n", gap_timeout=0)
        def take(body: dict[str, Any]) -> None: ...

"""Exchanges: who gets what is published, and what cannot be bound."""

from __future__ import annotations

from typing import Any

import pytest
from tests.queues.conftest import Seen

from postroad import App, Exchange, Queue, Router, errors


def bodies(q: Queue[Any]) -> list[Any]:
    return [one.body for one in q.peek(100)]


def test_topic(app: App) -> None:
    logs = app.exchange("logs", "topic")
    kern, critical, everything = app.queue("kern"), app.queue("critical"), app.queue("everything")
    logs.bind(kern, "kern.*")
    logs.bind(critical, "*.critical", "panic")
    logs.bind(everything, "#")
    for key in ("kern.info", "kern.critical", "cron.critical", "panic", "kern.a.b"):
        logs.publish(key, routing_key=key)
    assert bodies(kern) == ["kern.info", "kern.critical"]
    assert bodies(critical) == ["kern.critical", "cron.critical", "panic"]
    assert len(bodies(everything)) == 5


def test_two_bindings_that_take_it_give_it_once(app: App) -> None:
    logs, q = app.exchange("logs"), app.queue("q")
    logs.bind(q, "a.*", "*.b", "#")
    logs.publish(1, "a.b")
    assert bodies(q) == [1]


def test_direct(app: App) -> None:
    work, red, blue = app.exchange("work", "direct"), app.queue("red"), app.queue("blue")
    work.bind(red, "red", "purple")
    work.bind(blue, "blue", "purple")
    for key in ("red", "blue", "purple", "green", "red.x"):
        work.publish(key, key)
    assert bodies(red) == ["red", "purple"]
    assert bodies(blue) == ["blue", "purple"]


def test_fanout(app: App) -> None:
    news, one, two = app.exchange("news", "fanout"), app.queue("one"), app.queue("two")
    news.bind(one)
    news.bind(two)
    ids = news.publish_many(range(3), routing_key="whatever")
    assert bodies(one) == bodies(two) == [0, 1, 2]
    assert [found.id for found in one.peek()] == ids


def test_headers(app: App) -> None:
    docs = app.exchange("docs", "headers")
    both, either, every = app.queue("both"), app.queue("either"), app.queue("every")
    docs.bind(both, headers={"format": "pdf", "type": "report"}, match="all")
    docs.bind(either, headers={"format": "pdf", "type": "report"}, match="any")
    docs.bind(every, headers={})
    docs.publish(1, headers={"format": "pdf", "type": "report"})
    docs.publish(2, headers={"format": "pdf", "type": "log"})
    docs.publish(3)
    assert bodies(both) == [1]
    assert bodies(either) == [1, 2]
    assert bodies(every) == [1, 2, 3]


def test_an_exchange_bound_to_another(app: App) -> None:
    outer, inner, q = app.exchange("outer", "topic"), app.exchange("inner", "direct"), app.queue("q")
    outer.bind(inner, "order.#")
    inner.bind(q, "order.paid")
    outer.publish(1, "order.paid")
    outer.publish(2, "order.sent")
    assert bodies(q) == [1]
    inner.bind(outer, "order.paid")
    outer.publish(3, "order.paid")
    assert bodies(q) == [1, 3], "a circle is walked once"


def test_an_alternate_gets_what_goes_nowhere(app: App) -> None:
    lost, q = app.exchange("lost", "fanout"), app.queue("lost")
    work, red = app.exchange("work", "direct", alternate=lost), app.queue("red")
    lost.bind(q)
    work.bind(red, "red")
    work.publish(1, "red")
    work.publish(2, "green")
    assert (bodies(red), bodies(q)) == ([1], [2])


def test_to_nobody(app: App) -> None:
    logs = app.exchange("logs")
    assert logs.publish({"m": 1}, "a.b")
    with pytest.raises(errors.Unroutable, match=r"a\.b"):
        logs.publish({"m": 1}, "a.b", mandatory=True)
    assert app.ask(lambda driver: driver.counters())["unrouted"] == 1  # type: ignore[attr-defined]
    with pytest.raises(errors.Unroutable):
        logs.publish_many([1, 2], "a.b", mandatory=True)
    logs.bind(app.queue("q"), "a.*")
    assert logs.publish(1, "a.b", mandatory=True)


def test_an_exchange_that_nobody_declares(app: App) -> None:
    with pytest.raises(errors.Unroutable, match="elsewhere"):
        app.exchange("elsewhere", declare=False).publish(1, "a")


def test_a_full_queue_refuses_for_all(app: App) -> None:
    news, small, large = app.exchange("news", "fanout"), app.queue("small", max_length=1, overflow="reject"), app.queue("large")
    news.bind(small)
    news.bind(large)
    news.publish(1)
    with pytest.raises(errors.QueueFull, match="small"):
        news.publish(2)
    assert bodies(small) == bodies(large) == [1]


def test_what_is_said_of_a_message(app: App) -> None:
    news, q = app.exchange("news", "fanout"), app.queue("q", max_priority=9)
    news.bind(q)
    id = news.publish({"user": 7}, headers={"by": "me"}, priority=9, key=lambda body: body["user"], id="mine", persistent=False)
    news.publish({}, delay=60, expires=120)
    first, second = q.peek()
    assert (first.id, id) == ("mine", "mine")
    assert (first.headers, first.message.priority, first.message.key) == ({"by": "me"}, 9, "7")
    assert second.place == "delayed"
    with pytest.raises(errors.InvalidOption, match="from 0 to 9"):
        news.publish({}, priority=10)


async def test_awaited(app: App) -> None:
    news, q = app.exchange("news", "fanout"), app.queue("q")
    news.bind(q)
    await news.apublish(1)
    assert len(await news.apublish_many([2, 3])) == 2
    assert await q.adepth() == 3
    with pytest.raises(errors.BlockingCallOnLoop, match=r"await exchange\.apublish"):
        news.publish(1)


@pytest.mark.parametrize("pattern", ["kern.cri*", "a..b", "", "#.x#", "*a"])
def test_a_pattern_that_is_none(app: App, pattern: str) -> None:
    with pytest.raises(errors.InvalidPattern, match="is no pattern"):
        app.exchange("logs").bind(app.queue("q"), pattern)


def test_bindings_that_make_no_sense(app: App) -> None:
    q = app.queue("q")
    topic, direct = app.exchange("topic"), app.exchange("direct", "direct")
    fanout, by_headers = app.exchange("fanout", "fanout"), app.exchange("headers", "headers")

    @app.task
    def work() -> None: ...

    for exchange in (topic, direct):
        with pytest.raises(errors.InvalidPattern, match="says nothing of what it takes"):
            exchange.bind(q)
    with pytest.raises(errors.InvalidOption, match="leave 'a' out"):
        fanout.bind(q, "a")
    with pytest.raises(errors.InvalidOption, match="headers exchange: bind by"):
        by_headers.bind(q, "a")
    with pytest.raises(errors.InvalidOption, match="headers exchange: bind by"):
        by_headers.bind(q)
    with pytest.raises(errors.InvalidOption, match="match='some'"):
        by_headers.bind(q, headers={}, match="some")
    with pytest.raises(errors.InvalidOption, match="does not look at headers"):
        topic.bind(q, "a", headers={"a": "b"})
    with pytest.raises(errors.Unserialisable, match="headers are text"):
        by_headers.bind(q, headers={"a": 1})  # type: ignore[dict-item]
    with pytest.raises(errors.ConfigurationError, match=r"A task takes calls"):
        topic.bind(work, "a")  # type: ignore[arg-type]
    with pytest.raises(errors.InvalidOption, match="no routing key"):
        topic.bind(q, 5)  # type: ignore[arg-type]


def test_exchanges_that_make_no_sense(app: App) -> None:
    with pytest.raises(errors.InvalidOption, match="kind='topics'"):
        app.exchange("logs", "topics")
    with pytest.raises(errors.InvalidName, match="engine's own"):
        app.exchange("postroad.events")
    with pytest.raises(errors.InvalidName):
        app.exchange("")
    with pytest.raises(errors.InvalidOption, match="own alternate"):
        app.exchange("logs", alternate="logs")


def test_declared_twice(app: App) -> None:
    logs = app.exchange("logs", "topic")
    assert app.exchange("logs") is logs
    with pytest.raises(errors.TopologyConflict, match="kind is 'topic' there and 'fanout' here"):
        app.exchange("logs", "fanout")


def test_declared_otherwise_on_the_engine(url: str) -> None:
    first, second = App(url), App(url)
    first.exchange("logs", "topic").publish(1, "a")
    with pytest.raises(errors.TopologyConflict, match="exchange 'logs' exists otherwise"):
        second.exchange("logs", "direct").publish(1, "a")
    first.close()
    second.close()


def test_a_router_binds_for_its_app(app: App, seen: Seen) -> None:
    router = Router()
    logs, q = router.exchange("logs"), router.queue("q")
    logs.bind(q, "a.*")
    q.consumer(lambda body: seen(body))
    with pytest.raises(errors.ConfigurationError, match=r"app\.include\(router\)"):
        logs.publish(1, "a.b")
    app.include(router)
    late = app.queue("late")
    logs.bind(late, "#")
    assert isinstance(logs, Exchange)
    with app.worker():
        logs.publish(1, "a.b")
        assert seen.wait(1) == [1]
    assert bodies(late) == [1]


def test_published_in_a_handler_it_leaves_with_the_outcome(app: App, seen: Seen) -> None:
    news, q, heard = app.exchange("news", "fanout"), app.queue("q"), app.queue("heard")
    news.bind(heard)
    heard.consumer(lambda body: seen(body))

    @q.consumer
    def handle(body: int) -> None:
        news.publish(body)
        if body == 1:
            raise ValueError

    q.put_many([1, 2])
    with app.worker():
        assert seen.wait(1) == [2]
    assert q.dead_letters.count() == 1

"""app.testing() with queues, exchanges, events, batches, dead letters, and a clock that passes every due time in order."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from postroad import App, BatchError, CloudEvent, DeadLetterRecord, Event, Retry, current, errors
from postroad.testing import stepping


class OrderPlaced(Event, type="order.placed", key="order"):
    order: int


class OrderPaid(Event, type="order.paid"):
    order: int


@pytest.fixture
def app() -> App:
    return App("memory://", name="shop")


def test_what_was_sent_tells_tasks_events_and_messages_apart(app: App) -> None:
    mails = app.queue("mails", max_priority=9)

    @app.task(queue="media")
    def resize(path: str, width: int = 320) -> None: ...

    @app.subscribe(OrderPlaced, group="stock")
    def reserve(placed: OrderPlaced) -> None: ...

    with app.testing() as t:
        resize.options(countdown=60).delay("cat.png", width=640)
        app.publish(OrderPlaced(order=7))
        mails.put({"to": "anna"}, key="anna", priority=9, headers={"lang": "de"})
        mails.put(b"\xff\x00")
        kinds = [(sent.kind, sent.name, sent.queue) for sent in t.sent]
        assert kinds == [
            ("task", resize.name, "media"),
            ("event", "order.placed", "events.stock"),
            ("message", "", "mails"),
            ("message", "", "mails"),
        ]
        (call,) = t.calls(resize)
        assert (call.task, call.args, call.kwargs, call.delay_s) == (resize.name, ["cat.png", 640], {}, 60)
        assert t.published(OrderPlaced) == [OrderPlaced(order=7)]
        assert [sent.body for sent in t.published("order.*")] == [{"order": 7}]
        assert t.published(OrderPaid) == [] == t.published("invoice.#")
        mail, raw = t.sent_to(mails)
        assert (mail.body, mail.key, mail.priority, mail.headers["lang"]) == ({"to": "anna"}, "anna", 9, "de")
        assert raw.body == b"\xff\x00" and raw.args == [] and raw.task == ""
        t.sent.clear()
        assert t.sent_to("mails") == []
        with pytest.raises(errors.ConfigurationError, match="an event's class"):
            t.published(dict)


def test_an_exchange_tells_which_queues_it_went_to(app: App) -> None:
    logs = app.exchange("logs", "topic")
    kernel, everything, seen = app.queue("kernel"), app.queue("everything"), list[str]()
    logs.bind(kernel, "kern.*")
    logs.bind(everything, "#")

    @kernel.consumer
    def on_kernel(line: str) -> None:
        seen.append(line)

    with app.testing() as t:
        logs.publish("panic", "kern.critical")
        logs.publish("hello", "auth")
        assert [sent.queues for sent in t.sent] == [("everything", "kernel"), ("everything",)]
        assert [sent.body for sent in t.sent_to(kernel)] == ["panic"]
        assert (t.sent[0].exchange, t.sent[0].routing_key, t.sent[0].queue) == ("logs", "kern.critical", "")
        assert t.drain() == 1 and seen == ["panic"]
        assert everything.depth() == 2 and everything.peek(1)[0].body == "panic"


def test_groups_patterns_and_nested_events(app: App) -> None:
    seen: list[Any] = []

    @app.subscribe(OrderPlaced, group="pay")
    async def pay(placed: OrderPlaced) -> None:
        await app.apublish(OrderPaid(order=placed.order), subject="a lamp")

    @app.subscribe("order.*", group="audit")
    def audit(event: CloudEvent[dict[str, Any]]) -> None:
        seen.append((event.type, event.source, event.subject, event.data, current.event.id == event.id))

    @app.subscribe("#", broadcast=True, group="screens")
    def show(event: dict[str, Any]) -> None:
        seen.append(event)

    with app.testing() as t:
        app.publish(OrderPlaced(order=7))
        ran = t.drain()
        assert (ran, t.errors) == (5, [])
        assert t.published(OrderPaid) == [OrderPaid(order=7)]
        assert seen.count({"order": 7}) == 2
        assert ("order.paid", "shop", "a lamp", {"order": 7}, True) in seen
        app.publish(OrderPaid(order=8))
        assert t.drain() == 2, "the broadcast's queue is still there"


def test_batches_run_together_and_apart(app: App) -> None:
    rows, calls = app.queue("rows"), list[list[int]]()

    @rows.consumer(batch=10)
    def insert(numbers: list[int]) -> None:
        calls.append(numbers)
        if 13 in numbers and 25 not in numbers:
            raise ValueError("13")
        if 25 in numbers:
            raise BatchError({numbers.index(25): ValueError("25")})

    with app.testing() as t:
        rows.put_many(range(30))
        t.drain()
        assert calls[0] == list(range(10)) and [13] in calls and calls[-1] == list(range(20, 30))
        assert sorted(letter.message.body for letter in t.dead_letters) == [b"13", b"25"]
        rows.put(99)
        assert t.drain() == 1 and calls[-1] == [99]


def test_dead_letters_and_who_hears_of_them(app: App) -> None:
    jobs, heard = app.queue("jobs"), list[DeadLetterRecord]()

    @jobs.consumer
    def work(number: int) -> None:
        raise LookupError(f"no {number}")

    @app.on_dead_letter(source=jobs, error=LookupError)
    def hear(letter: DeadLetterRecord) -> None:
        heard.append(letter)

    with app.testing() as t:
        jobs.put(1)
        jobs.put("two")
        t.drain()
        assert [letter.message.body for letter in t.dead_letters] == [b"1", b'"two"']
        assert [letter.reason for letter in heard] == ["LookupError: no 1"]
        assert [str(error) for error in t.errors][:1] == ["no 1"] and len(t.errors) == 2
        assert app.dead_letters(source=jobs).redrive(error_type=LookupError).count == 1
        t.drain()
        assert sorted(letter.deaths for letter in t.dead_letters) == [1, 2]


def test_time_stops_at_everything_that_becomes_due(app: App) -> None:
    jobs, seen = app.queue("jobs"), list[tuple[str, float]]()

    @jobs.consumer(retry=Retry(max=2, base="10m", factor=1, jitter=False))
    def work(name: str) -> None:
        seen.append((name, (t.now - begun).total_seconds()))
        if name == "flaky":
            raise OSError
        if name == "sends":
            jobs.put("sent", delay="5m")

    with app.testing() as t:
        begun = t.now
        for name, delay in (("third", "3h"), ("sends", "1h"), ("flaky", "2h"), ("never", "2d")):
            jobs.put(name, delay=delay)
        assert t.advance("1d") == 6
        assert (t.now - begun).total_seconds() == 86_400
        hour = 3600.0
        assert seen == [
            ("sends", hour),
            ("sent", hour + 300),
            ("flaky", 2 * hour),
            ("flaky", 2 * hour + 600),
            ("flaky", 2 * hour + 1200),
            ("third", 3 * hour),
        ]
        assert jobs.depth() == 1


def test_gaps_in_a_sequence_take_the_tests_time(app: App) -> None:
    rows, seen = app.queue("rows"), list[int]()

    @rows.consumer(sequence="n", gap_timeout="30s", on_gap="skip")
    def book(row: dict[str, int]) -> None:
        seen.append(row["n"])

    with app.testing() as t:
        for ahead in ("0s", "1h"):
            t.advance(ahead)
            for number in (1, 3, 2, 5):
                rows.put({"n": number}, key=f"account {ahead}")
            t.drain()
            assert seen == [1, 2, 3]
            t.advance("29s")
            assert seen == [1, 2, 3]
            t.advance("32s")  # a gap behind another is waited for up to twice as long
            assert seen == [1, 2, 3, 5]
            seen.clear()


def test_what_waits_too_long_and_what_is_handled_already(app: App) -> None:
    jobs, seen = app.queue("jobs", ttl="1h"), list[str]()
    with app.testing() as t:
        jobs.put("too late")
        t.advance("2h")

        @jobs.consumer(inbox=lambda name: name)
        def work(name: str) -> None:
            seen.append(name)

        jobs.put_many(["once", "once"])
        t.drain()
        jobs.put("once")
        t.drain()
        assert seen == ["once"]
        (letter,) = t.dead_letters
        assert letter.reason.startswith("expired")


def test_a_failed_handler_has_sent_nothing_and_an_early_one_is_gone(app: App) -> None:
    jobs, early, out = app.queue("jobs"), app.queue("early"), app.queue("out")

    @jobs.consumer
    def work(number: int) -> None:
        out.put(number)
        raise ValueError

    @early.consumer(ack="early")
    def careless(number: int) -> None:
        out.put(-number)
        if number == 2:
            raise ValueError

    with app.testing() as t:
        jobs.put(1)
        early.put_many([1, 2])
        t.drain()
        assert [sent.body for sent in t.sent_to(out)] == [-1]
        assert len(t.dead_letters) == 1 and early.depth() == 0


def test_a_full_queue_does_not_hang_the_test(app: App) -> None:
    small, jobs = app.queue("small", max_length=1), app.queue("jobs")

    @jobs.consumer
    def work(number: int) -> None:
        small.put(number)

    with app.testing() as t:
        small.put(1)
        with pytest.raises(errors.QueueFull):
            small.put(2)
        jobs.put(3)
        t.drain()
        (letter,) = t.dead_letters
        assert letter.source == "jobs" and "small" in letter.reason


def test_handlers_that_never_end_their_work_are_told(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = app.queue("jobs")
    monkeypatch.setattr(stepping, "RUNS_MAX", 50)

    @jobs.consumer
    def again(number: int) -> None:
        jobs.put(number)

    with app.testing() as t:
        jobs.put(1)
        with pytest.raises(errors.UsageError, match=r"50|without end"):
            t.drain()


def test_in_a_coroutine(app: App) -> None:
    jobs, seen = app.queue("jobs"), list[int]()

    @jobs.consumer
    async def work(number: int) -> None:
        seen.append(number)

    async def scenario() -> None:
        with app.testing() as t:
            await jobs.aput(1)
            with pytest.raises(errors.BlockingCallOnLoop, match=r"asyncio\.to_thread\(t\.drain\)"):
                t.drain()
            assert await asyncio.to_thread(t.drain) == 1

    asyncio.run(scenario())
    assert seen == [1]

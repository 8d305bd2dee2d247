"""Dead letters: looking, choosing, editing, redriving, purging, moving, and handlers that hear of them."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.queues.conftest import Seen, until

from postroad import App, DeadLetterRecord, Queue, Retry, Router, errors
from postroad.engine.deadletters import PAGE


class OutOfStock(LookupError): ...


def kill(q: Queue[Any], *bodies: Any, why: str = "no use") -> None:
    """Each dies in somebody's hands."""
    q.put_many(bodies)
    for _ in bodies:
        with q.receive(timeout=5) as d:
            d.reject(why)


def test_looking(app: App) -> None:
    q, other = app.queue("work"), app.queue("other")
    kill(q, {"n": 1}, {"n": 2})
    kill(other, b"\xff", why="no text")
    assert [letter.message.body for letter in q.dead_letters.peek()] == [b'{"n":2}', b'{"n":1}']
    assert len(q.dead_letters.peek(1)) == 1
    assert app.dead_letters().count() == 3
    assert app.dead_letters(source=q).count() == app.dead_letters("work").count() == q.dead_letters.count() == 2
    number = other.dead_letters.peek()[0].number
    letter = app.dead_letters().show(number)
    assert (letter.message.body, letter.source, letter.reason) == (b"\xff", "other", "no text")
    with pytest.raises(errors.NotFound, match=f"no dead letter {number} of work"):
        q.dead_letters.show(number)
    assert isinstance(letter, DeadLetterRecord)


def test_groups(app: App) -> None:
    q = app.queue("work")
    kill(q, 1, 2, 3, why="first reason")
    kill(q, 4, why="another reason")
    groups = q.dead_letters.groups()
    assert [(group.count, group.reason, group.source) for group in groups] == [(3, "first reason", "work"), (1, "another reason", "work")]
    assert groups[0].first_at < groups[0].last_at
    assert q.dead_letters.count(fingerprint=groups[0].fingerprint) == 3
    assert q.dead_letters.count(fingerprint=groups[0].fingerprint[:6]) == 3


def test_choosing(app: App) -> None:
    q = app.queue("work")
    kill(q, 1, why="early on")
    later = time.time()
    kill(q, 2, why="later on")
    letters = q.dead_letters
    assert letters.count(reason="early") == 1
    assert letters.count(since=datetime.fromtimestamp(later, UTC)) == 1
    assert letters.count(until=datetime.fromtimestamp(later, UTC)) == 1
    assert letters.count(since="1h") == letters.count(since=timedelta(hours=1)) == 2
    assert letters.count(until="1h") == 0
    assert letters.count(error_type=errors.DeadLetter) == letters.count(error_type="postroad.errors.DeadLetter") == 2
    assert letters.count(id=letters.peek()[0].message.id) == 1
    with pytest.raises(errors.InvalidOption, match="letters are chosen by error_type"):
        letters.peek(colour="red")  # type: ignore[call-arg]
    with pytest.raises(errors.InvalidOption, match="since="):
        letters.peek(since=[1])  # type: ignore[typeddict-item]


def test_redrive(app: App) -> None:
    q = app.queue("work")
    kill(q, 1, 2, 3)
    assert q.dead_letters.redrive(dry_run=True).count == 3
    assert q.depth() == 0
    assert q.dead_letters.redrive(limit=2).count == 2
    assert [one.body for one in q.peek()] == [1, 2]
    assert {one.attempt for one in q.peek()} == {1}
    assert q.dead_letters.count() == 1
    assert q.dead_letters.redrive(reason="nothing like it").count == 0


def test_a_second_death_shows(app: App) -> None:
    q = app.queue("work")
    kill(q, 1)
    assert q.dead_letters.peek()[0].deaths == 1
    q.dead_letters.redrive()
    with q.receive(timeout=5) as d:
        d.reject("again")
    letter = q.dead_letters.peek()[0]
    assert (letter.deaths, letter.reason) == (2, "again")


def test_redrive_to_a_full_queue_stops_and_says_so(app: App) -> None:
    q = app.queue("small", max_length=2, overflow="reject")
    kill(q, 1, 2)
    q.put(0)
    done = q.dead_letters.redrive()
    assert done.count == 1
    assert "small" in done.refused
    assert q.dead_letters.count() == 1
    assert q.depth() == 2


def test_redrive_at_a_rate(app: App) -> None:
    q = app.queue("work")
    kill(q, *range(5))
    assert q.dead_letters.redrive(rate="1/m").count == 5
    due = [one.due_at or 0.0 for one in q.peek()]
    assert [round(later - due[0]) for later in due] == [0, 60, 120, 180, 240]
    for wrong in ("fast", "5", 0, "-1/s", "1/fortnight", True):
        with pytest.raises(errors.InvalidOption, match="rate="):
            q.dead_letters.redrive(rate=wrong)


def test_purge(app: App) -> None:
    q = app.queue("work")
    kill(q, 1, 2, 3)
    assert q.dead_letters.purge(dry_run=True) == 3
    assert q.dead_letters.purge(limit=1) == 1
    assert q.dead_letters.purge() == 2
    assert q.dead_letters.count() == 0


async def test_awaited(app: App) -> None:
    q = app.queue("work")
    await q.aput(1)
    async with q.receive(timeout=5) as d:
        d.reject("no")
    letters = q.dead_letters
    assert len(await letters.apeek()) == 1
    assert (await letters.aredrive(dry_run=True)).count == 1
    assert await letters.apurge() == 1
    for blocking in (letters.peek, letters.redrive, letters.purge):
        with pytest.raises(errors.BlockingCallOnLoop, match=r"await dead_letters\.a"):
            blocking()
    with pytest.raises(errors.BlockingCallOnLoop, match=r"asyncio\.to_thread\(letters\.count"):
        letters.count()


def test_edit(app: App, seen: Seen) -> None:
    q = app.queue("work")

    @q.consumer
    def handle(body: dict[str, int]) -> None:
        seen(body)

    q.put({"n": "one"}, headers={"by": "me"})
    with app.worker():
        letter = until(lambda: q.dead_letters.peek())[0]
    edited = q.dead_letters.edit(letter.number, body={"n": "two"}, headers={"by": "you"})
    assert (edited.message.body, edited.message.headers, edited.edited) == (b'{"n":"two"}', {"by": "you"}, True)
    q.dead_letters.redrive()
    with app.worker():
        again = until(lambda: q.dead_letters.peek())[0]
    assert again.deaths == 2, "what is still invalid dies again"
    q.dead_letters.edit(again.number, body=b'{"n": 3}')
    q.dead_letters.redrive()
    with app.worker():
        assert seen.wait(1) == [{"n": 3}]
    with pytest.raises(errors.NotFound):
        q.dead_letters.edit(again.number, body=1)
    with pytest.raises(errors.InvalidOption, match="body= or headers="):
        q.dead_letters.edit(again.number)


def test_edited_headers_keep_the_engines_own(app: App) -> None:
    @app.task(queue="media", keep_result=None)
    def fail() -> None:
        raise ValueError

    fail.delay()
    with app.worker():
        letter = until(lambda: fail.dead_letters.peek())[0]
    edited = fail.dead_letters.edit(letter.number, headers={"by": "me"})
    assert edited.message.headers == {"by": "me", "postroad-task": fail.name}


def test_a_tasks_letters_are_its_own(app: App) -> None:
    @app.task
    def one(n: int) -> None:
        raise ValueError

    @app.task
    def two() -> None:
        raise OutOfStock

    one.delay(1)
    one.delay(2)
    two.delay()
    with app.worker():
        until(lambda: app.dead_letters().count() == 3)
    assert one.dead_letters.count() == app.dead_letters(one).count() == 2
    assert two.dead_letters.count() == 1
    assert app.dead_letters("default").count() == 3
    assert app.dead_letters().count(error_type=OutOfStock) == 1
    assert one.dead_letters.redrive().count == 2
    with pytest.raises(errors.InvalidOption, match="give a queue, a task"):
        app.dead_letters(5)


def test_export_and_import(app: App, url: str, tmp_path: Path) -> None:
    q, file = app.queue("work"), tmp_path / "letters.jsonl"
    q.put_many([b"\xff", {"n": 1}, "é"], headers={"by": "me"})
    for _ in range(3):
        with q.receive(timeout=5) as d:
            d.reject("moved")
    assert q.dead_letters.export(file) == 3
    assert len([json.loads(line) for line in file.read_text().splitlines()]) == 3
    other = App(url)
    with pytest.raises(errors.NotFound, match="work"):
        other.dead_letters().import_(file)
    there = other.queue("work")
    assert there.dead_letters.import_(str(file)) == 3
    assert there.dead_letters.import_(file) == 0, "those are here already"
    here = q.dead_letters.peek()
    assert [letter.message for letter in there.dead_letters.peek()] == [letter.message for letter in here]
    assert [letter.died_at for letter in there.dead_letters.peek()] == [letter.died_at for letter in here]
    assert there.dead_letters.redrive().count == 3
    assert there.peek()[0].message.body == b"\xff"
    other.close()


def test_a_broken_file_is_refused_whole(app: App, tmp_path: Path) -> None:
    q, file = app.queue("work"), tmp_path / "letters.jsonl"
    kill(q, 1)
    q.dead_letters.export(file)
    q.dead_letters.purge()
    file.write_bytes(file.read_bytes() + b"\n{broken\n")
    with pytest.raises(errors.Undecodable, match=r"letters\.jsonl, line 3"):
        q.dead_letters.import_(file)
    assert q.dead_letters.count() == 0
    with pytest.raises(FileNotFoundError):
        q.dead_letters.import_(tmp_path / "nothing")


def test_more_letters_than_a_page(app: App, tmp_path: Path) -> None:
    q = app.queue("small", max_length=1, overflow="drop_oldest")
    q.put_many(range(PAGE * 2 + 2))
    assert q.dead_letters.export(tmp_path / "all") == PAGE * 2 + 1
    lines = (tmp_path / "all").read_text().splitlines()
    numbers = [json.loads(line)["number"] for line in lines]
    assert numbers == sorted(numbers), "the oldest first"
    assert q.dead_letters.groups()[0].count == PAGE * 2 + 1
    assert q.dead_letters.purge() == PAGE * 2 + 1


# Handlers


def test_a_handler_hears_of_everything(app: App, seen: Seen) -> None:
    q = app.queue("work")

    @app.on_dead_letter
    def escalate(letter: DeadLetterRecord) -> None:
        seen(letter)

    with app.worker():
        kill(q, {"n": 1}, why="bad address")
        heard = seen.wait(1)[0]
    assert (heard.source, heard.reason, heard.message.body) == ("work", "bad address", b'{"n":1}')
    assert heard == q.dead_letters.peek()[0], "the letter stays where it is"


def test_a_handler_of_one_source_and_one_error(app: App, seen: Seen) -> None:
    work, other = app.queue("work"), app.queue("other")

    @work.consumer
    @other.consumer
    def handle(body: str) -> None:
        raise OutOfStock(body) if body == "stock" else ValueError(body)

    def hears(name: str, **options: Any) -> None:
        @app.on_dead_letter(name=name, **options)
        async def escalate(letter) -> None:  # type: ignore[no-untyped-def]
            seen((name, letter.source, letter.message.body.decode()))

    hears("all")
    hears("work", source=work)
    hears("both", source=["work", other])
    hears("stock", error=OutOfStock)
    hears("lookup", error=LookupError)
    hears("by name", source="other", error="ValueError")
    for q in (work, other):
        q.put_many(["stock", "value"])
    with app.worker():
        found = seen.wait(4 + 2 + 4 + 2 + 2 + 1)
        until(lambda: sum(one.ready + one.in_flight for one in app.inspect.queues()) == 0)
    assert len(found) == len(seen.all)
    by_name = {name: {(source, json.loads(body)) for who, source, body in found if who == name} for name, _, _ in found}
    both = {"work", "other"}
    assert by_name["work"] == {("work", "stock"), ("work", "value")}
    assert by_name["stock"] == by_name["lookup"] == {(source, "stock") for source in both}
    assert by_name["by name"] == {("other", "value")}
    assert len(by_name["all"]) == len(by_name["both"]) == 4


def test_a_handler_of_a_task(app: App, seen: Seen) -> None:
    router = Router()

    @router.task(name="one")
    def one() -> None:
        raise ValueError("one")

    @router.task(name="two")
    def two() -> None:
        raise ValueError("two")

    @router.on_dead_letter(source=one)
    def escalate(letter: DeadLetterRecord) -> None:
        seen(letter.history[-1].error)

    app.include(router)
    two.delay()
    one.delay()
    with app.worker(threads=1):
        assert seen.wait(1) == ["one"]
        until(lambda: sum(found.ready + found.in_flight for found in app.inspect.queues()) == 0)
    assert seen.all == ["one"]


def test_a_handler_that_fails_is_heard_of_by_none(app: App, seen: Seen) -> None:
    q = app.queue("work")

    @app.on_dead_letter(name="clumsy", retry=Retry(max=1, base=0))
    def clumsy(letter: DeadLetterRecord) -> None:
        seen(letter.source)
        raise RuntimeError("I failed, too")

    with app.worker():
        kill(q, 1)
        seen.wait(2)
        letter = until(lambda: app.dead_letters("dead-letters.clumsy").peek())[0]
    assert letter.error_type == "RuntimeError"
    assert seen.all == ["work", "work"], "its own letter is handed to nobody"


def test_what_a_handler_sends_leaves_with_its_outcome(app: App, seen: Seen) -> None:
    q, again = app.queue("work"), app.queue("again")
    again.consumer(lambda body: seen(body))

    @app.on_dead_letter(source=q)
    def retry_elsewhere(letter: DeadLetterRecord) -> None:
        again.put(letter.message.body)

    with app.worker():
        kill(q, b"raw")
        assert seen.wait(1) == [b"raw"]


def test_handlers_that_make_no_sense(app: App) -> None:
    with pytest.raises(errors.InvalidOption, match="source=5"):
        app.on_dead_letter(source=5)(lambda letter: None)
    with pytest.raises(errors.InvalidOption, match="error=5"):
        app.on_dead_letter(error=5)(lambda letter: None)  # type: ignore[call-overload]
    with pytest.raises(errors.ConfigurationError, match="takes nothing"):
        app.on_dead_letter(lambda: None)
    with pytest.raises(errors.ConfigurationError, match="called with a DeadLetterRecord"):

        @app.on_dead_letter
        def wrong(letter: dict[str, Any]) -> None: ...

    def one(letter: DeadLetterRecord) -> None: ...
    def two(letter: DeadLetterRecord) -> None: ...

    app.on_dead_letter(name="same")(one)
    with pytest.raises(errors.ConfigurationError, match="named 'same'"):
        app.on_dead_letter(name="same")(two)

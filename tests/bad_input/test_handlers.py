"""Bad input to handlers, and handlers that behave badly: each ends clearly, and its neighbours are done."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest
from tests.bad_input.support import call, depth, intact, letters, publish, python, says, states, until
from tests.worker.tree import Tree

from postroad import App, Retry
from postroad.errors import TaskFailed, TooLarge, TooManySends, Undecodable, WouldDeadlock

pytestmark = pytest.mark.bad_input

UNKNOWN_NAME = """
from tests.bad_input.stepped import step
import json
from postroad import App
from postroad.errors import TaskDead
from tests.bad_input.support import call, depth, letters, publish, until

URL = "sqlite:///app.db"
app, later = App(URL), App(URL)

@app.task(name="shop.resize")
def resize(path: str) -> str:
    return f"small {path}"

@later.task(name="shop.rotate")
def rotate(path: str) -> str:
    return f"turned {path}"

typing_error, too_early = publish(app, call(b'[["cat.png"],{}]', "shop.resise"), call(b'[["dog.png"],{}]', "shop.rotate"))
with app.worker(threads=1):
    neighbour = resize.delay("owl.png").get(timeout=10)
    kept = until(lambda: app.result(typing_error).status().error, "looked at, and kept")
    kept_state = app.result(typing_error).status().state
with later.worker(threads=1):
    known = later.result(too_early).get(timeout=10)
step(120)
with app.worker(threads=1):
    resize.delay("elk.png").get(timeout=10)
    still_kept = len(letters(app)) == 0
    step(200)
    try:
        app.result(typing_error).get(timeout=10)
    except TaskDead as error:
        words = str(error)
    dead = app.result(typing_error).status().state
(letter,) = letters(app)
left = depth(app)
app.close(); later.close()
print(json.dumps([neighbour, kept, kept_state, known, still_kept, words, dead, letter.reason, letter.message.body.decode(), left]))
"""


def test_task_name_no_worker_knows(file: Path) -> None:
    neighbour, kept, kept_state, known, still_kept, words, dead, reason, body, left = python(UNKNOWN_NAME, cwd=file.parent)
    assert neighbour == "small owl.png"
    says(kept, "UnknownTask", "no handler 'shop.resise'")
    assert kept_state == "SCHEDULED", "kept for a worker that knows it"
    assert known == "turned dog.png", "and done when one comes"
    assert still_kept
    for text in (words, reason):
        says(text, "no worker knows a handler 'shop.resise'", "did you mean 'shop.resize'?", "known here: shop.resize")
    assert (dead, body, left) == ("DEAD", '[["cat.png"],{}]', 0)
    assert intact(file)


def test_undecodable_body(app: App, file: Path) -> None:
    ran: list[int] = []

    @app.task(name="shop.count", retry=Retry(max=5, base=0.01))
    def count(number: int) -> int:
        ran.append(number)
        return number

    bodies = {
        b"\xff\xfe not JSON": "should be [args, kwargs]",
        b'{"number": 1}': "should be [args, kwargs]",
        b'[["one"],{}]': "Argument 'number' of shop.count(number: int)",
        b"[[],{}]": "missing a required argument: 'number'",
        b"[" * 5000: "should be [args, kwargs]",
        b"": "should be [args, kwargs]",
    }
    ids = dict(zip(publish(app, *[call(body, "shop.count") for body in bodies], call(b"[[7],{}]", "shop.count")), bodies, strict=False))
    with app.worker(threads=2):
        assert count.delay(8).get(timeout=10) == 8
        until(lambda: depth(app) == 0, "all have ended")
        for id, body in ids.items():
            with pytest.raises(Undecodable) as refused:
                app.result(id).get(timeout=10)
            says(refused.value, bodies[body])
    assert sorted(ran) == [7, 8], "none of them was run"
    dead = {letter.message.id: letter for letter in letters(app)}
    assert {id: letter.message.body for id, letter in dead.items()} == ids, "kept to the byte"
    assert all(letter.attempt == 1 and len(letter.history) == 1 for letter in dead.values()), "at once, not after retries"
    assert intact(file)


def test_result_too_large(app: App, file: Path) -> None:
    @app.task(name="shop.render", retry=Retry(max=5, base=0.01))
    def render(size: int) -> str:
        pack.delay("x")
        return "x" * size

    @app.task(name="shop.pack", queue="parcels")
    def pack(text: str) -> None: ...

    with app.worker(threads=2, queues=["default"]):
        large, small = render.delay(17 << 20), render.delay(3)
        with pytest.raises(TooLarge) as refused:
            large.get(timeout=15)
        assert small.get(timeout=10) == "xxx"
    says(refused.value, "The result of shop.render has 17,825,794 bytes", "over the limit of 16,777,216", "store it elsewhere")
    assert states(app, large, small) == ["FAILED", "SUCCEEDED"]
    (letter,) = letters(app)
    assert (letter.message.id, letter.attempt) == (large.id, 1), "at once, for a second try would be as large"
    assert depth(app) == 1, "only the handler that succeeded has sent"
    assert intact(file)


RAISES = """
import asyncio, os, sys
from postroad import App
app = App("sqlite:///app.db")

def misbehave(how):
    if how == "SystemExit":
        sys.exit("bye")
    if how == "KeyboardInterrupt":
        raise KeyboardInterrupt
    if how == "CancelledError":
        raise asyncio.CancelledError
    bytearray(1 << 62)

@app.task
def plain(how: str) -> None:
    misbehave(how)

@app.task
async def coroutine(how: str) -> None:
    await asyncio.sleep(0)
    misbehave(how)

@app.task
def pid() -> int:
    return os.getpid()

@app.task
async def apid() -> int:
    return os.getpid()
"""


def test_handler_raising_system_exit_keyboard_interrupt_memory_error(tmp_path: Path, tree: Any) -> None:
    jobs = tree.module("raises", RAISES)
    worker: Tree = tree("raises:app", threads=2)
    before = jobs.pid.delay().get(timeout=10), jobs.apid.delay().get(timeout=10)
    for how in ("SystemExit", "KeyboardInterrupt", "MemoryError", "CancelledError"):
        for task in (jobs.plain, jobs.coroutine):
            sent = task.delay(how)
            with pytest.raises((TaskFailed, MemoryError)) as failed:
                sent.get(timeout=10)
            assert how in f"{type(failed.value).__name__} {failed.value}"
            assert states(jobs.app, sent) == ["FAILED"]
            (letter,) = letters(jobs.app, id=sent.id)
            says(f"{letter.error_type} {letter.reason}", how)
            assert letter.crashes == 0, "no crash: the worker lives"
    assert (jobs.pid.delay().get(timeout=10), jobs.apid.delay().get(timeout=10)) == before, "in the same child as before"
    assert worker.process.poll() is None
    assert depth(jobs.app) == 0
    assert intact(tmp_path / "app.db")


def test_coroutine_function_never_awaited(app: App, file: Path) -> None:
    async def fetch(url: str) -> str:
        return url

    @app.task(name="shop.crawl")
    def crawl(url: str) -> Any:
        return fetch(url)

    @app.task(name="shop.add")
    def add(a: int, b: int) -> int:
        return a + b

    with warnings.catch_warnings(record=True) as warned, app.worker(threads=1):
        warnings.simplefilter("always")
        sent, neighbour = crawl.delay("a"), add.delay(1, 2)
        with pytest.raises(TypeError) as refused:
            sent.get(timeout=10)
        assert neighbour.get(timeout=10) == 3
    says(refused.value, "shop.crawl returned coroutine, which nobody awaited", "make the handler 'async def'")
    assert not [one for one in warned if "never awaited" in str(one.message)]
    (letter,) = letters(app)
    assert letter.message.id == sent.id
    assert states(app, sent) == ["FAILED"]
    assert intact(file)


def test_get_on_what_the_handler_itself_sent(app: App, file: Path) -> None:
    ran: list[int] = []

    @app.task(name="shop.add")
    def add(a: int, b: int) -> int:
        ran.append(a + b)
        return a + b

    @app.task(name="shop.total")
    def total() -> int:
        return add.delay(1, 2).get(timeout=10)

    @app.task(name="shop.atotal")
    async def atotal() -> int:
        return await (await add.adelay(3, 4)).aget(timeout=10)

    @app.task(name="shop.now")
    def now() -> int:
        return add.options(send_now=True).delay(5, 6).get(timeout=10, in_handler=True)

    with app.worker(threads=2):
        for sent in (total.delay(), atotal.delay()):
            with pytest.raises(WouldDeadlock) as refused:
                sent.get(timeout=10)
            says(refused.value, "leaves only when this handler ends", "first.s() | second.s()", "chord", "send_now=True")
        assert now.delay().get(timeout=10) == 11, "the way the message shows"
    assert ran == [11], "a handler that fails sends nothing"
    assert len(letters(app)) == 2
    assert depth(app) == 0
    assert intact(file)


def test_10001_sends_in_a_handler(app: App, file: Path) -> None:
    @app.task(name="shop.pack", queue="parcels", keep_result=None)
    def pack(number: int) -> None: ...

    @app.task(name="shop.split")
    def split(count: int) -> int:
        for number in range(count):
            pack.delay(number)
        return count

    @app.task(name="shop.split_many")
    def split_many(count: int) -> int:
        return len(app.send_many(pack.s(number) for number in range(count)))

    with app.worker(threads=2, queues=["default"]):
        too_many = split.delay(10_001), split_many.delay(10_001)
        for sent in too_many:
            with pytest.raises(TooManySends) as refused:
                sent.get(timeout=15)
            says(refused.value, "10,000 messages or 16 MiB", "several tasks of a chunk each", "app.send_now()")
        assert depth(app) == 0, "none of them left"
        assert split.delay(10_000).get(timeout=15) == 10_000
        assert depth(app) == 10_000, "as many as are allowed leave all"
    assert {letter.message.id for letter in letters(app)} == {sent.id for sent in too_many}
    assert intact(file)

"""How the public names are used, with the types they must have. Checked by mypy --strict and pyright, never run."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Coroutine, Generator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, assert_type

from postroad import (
    App,
    DeadLetter,
    Delivery,
    Drop,
    Middleware,
    Result,
    Retry,
    RetryLater,
    Router,
    Send,
    Signature,
    Step,
    Task,
    TaskOptions,
    TaskStatus,
    chord,
    current,
    errors,
    group,
)


@contextmanager
def resources() -> Generator[dict[str, int]]:
    yield {"pool": 3}


@asynccontextmanager
async def async_resources(app: App) -> AsyncGenerator[str]:
    yield app.name


app = App()
other = App(
    "sqlite:///orders.db",
    name="orders",
    task_defaults=TaskOptions(retry=Retry(max=3), keep_result="1d"),
    timezone="Europe/Berlin",
    durability="relaxed",
    include=["shop.tasks"],
    lifespan=resources,
)
third = App("memory://", lifespan=async_resources)
router = Router()


@app.task
def resize(path: str, width: int) -> str:
    return f"{path}@{width}"


@app.task
async def fetch(url: str) -> bytes:
    return url.encode()


@router.task(name="shop.add", queue="sums", executor="process", priority=5, key="a", order="skip")
def add(a: int, b: int) -> int:
    return a + b


@app.task(
    retry=Retry(max=3, base=60, factor=2, max_delay="1h", jitter=True, on=(OSError,)),
    on_error={ValueError: Drop(), Exception: DeadLetter("escalated")},
    expires="1h",
    keep_result=None,
    max_deliveries=3,
)
async def total(numbers: list[int]) -> int:
    current.task.progress(1, len(numbers), stage="summing")
    if current.task.attempt > 2:
        raise RetryLater(after=30)
    return sum(numbers)


app.include(router)

assert_type(resize("cat.png", 320), str)
not_awaited: Coroutine[Any, Any, bytes] = fetch("u")
assert_type(resize.delay("cat.png", 320), Result[str])
assert_type(resize.delay("cat.png", width=320).get(timeout=10), str)
assert_type(fetch.delay("u"), Result[bytes])
assert_type(fetch.delay("u").get(), bytes)
assert_type(add.delay(1, b=2).get(timeout="10s"), int)
assert_type(total.delay([1, 2]).get(timedelta(seconds=3)), int)

later = resize.options(
    countdown="5m", priority=9, queue="slow", key="cat", unique_key="cat", headers={"by": "me"}, expires=60, id="mine"
)
positional: Task[[str, int], str, str] = later
assert_type(later("cat.png", 320), str)
assert_type(later.delay("cat.png", 320), Result[str])
assert_type(add.options(eta=datetime.now(UTC), send_now=True).delay(1, 2), Result[int])

assert_type(resize.s("cat.png", 320), Signature[str])
assert_type(add.s(2), Step[int, int])
assert_type(add.step(2), Step[int, int])
assert_type(add.si(1, 2), Signature[int])
assert_type(add.s(4, 4) | add.s(8), Signature[int])
assert_type(add.s(4, 4) | add.s(8) | add.s(9), Signature[int])
assert_type(add.s(1) | add.s(2), Step[int, int])
assert_type((add.s(4, 4) | add.s(8)).delay().get(), int)
assert_type(group(add.s(i, i) for i in range(10)).delay().get(), list[int])
assert_type(chord([add.s(1, 2)], total.s()), Signature[int])
assert_type(chord([add.s(1, 2)], total.s()).delay().get(), int)
assert_type(app.send_many([resize.s(path, 320) for path in ("a", "b")]), list[Result[str]])

result = resize.delay("cat.png", 320)
status = result.status()
assert_type(status, TaskStatus)
assert_type(status.state, str)
assert_type(status.started_at, datetime | None)
assert_type(result.revoke(), bool)
assert_type(result.duplicate, bool)
assert_type(app.result(result.id), Result[Any])
assert_type(app.result(result.id, of=resize), Result[str])
assert_type(app.result(result.id, of=fetch).get(), bytes)
assert_type(app.results([result.id]), list[Result[Any]])
assert_type(app.wait_all([result, result], timeout=5), list[str])
assert_type(app.revoke(result.id), bool)


class Stamps(Middleware):
    def before_send(self, send: Send) -> Send:
        return send

    def after_run(self, delivery: Delivery, error: BaseException | None) -> None:
        print(delivery.message.id, error)


app.use(Stamps())


async def main() -> None:
    assert_type(await fetch("u"), bytes)
    assert_type(await resize.adelay("cat.png", 320), Result[str])
    assert_type(await result.aget(timeout=3), str)
    assert_type(await result.astatus(), TaskStatus)
    assert_type(await result.arevoke(), bool)
    assert_type(await app.asend_many([add.s(1, 2)]), list[Result[int]])
    assert_type(await app.await_all([result]), list[str])
    async with app.worker(threads=4):
        await add.s(1, 2).adelay()
    await app.aclose()
    number: int = await current.run_in_thread(len, "four")
    assert_type(number, int)


def script() -> None:
    with app, app.worker(threads=4, queues=["media"]):
        add.delay(1, 2)
    with app.eager():
        assert_type(add.delay(1, 2).get(), int)
    with app.send_now():
        add.delay(1, 2)
    with app.testing() as t:
        t.drain()
    app.run(processes=1, threads=4)
    try:
        result.get(timeout=1)
    except errors.ResultTimeout:
        app.close()

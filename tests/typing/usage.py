"""How the public names are used, with the types they must have. Checked by mypy --strict and pyright, never run."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Coroutine, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, assert_type

import msgspec

from postroad import (
    App,
    BatchError,
    CloudEvent,
    DeadLetter,
    DeadLetterRecord,
    Delivery,
    Drop,
    Event,
    Exchange,
    Message,
    Middleware,
    Queue,
    Received,
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


class Order(msgspec.Struct):
    id: int


orders = app.queue("orders", schema=Order, max_priority=9, max_length=10_000, overflow="reject", ttl="1h", key="id")
raw = router.queue("raw", key=lambda body: body["user"])
own = app.queue("", exclusive=True)
assert_type(orders, Queue[Order])
assert_type(raw, Queue[Any])
assert_type(orders.put(Order(1), priority=3, delay=5.0, headers={"by": "me"}, persistent=False, timeout="5s"), str)
assert_type(orders.put_many([Order(1), Order(2)], key=lambda order: order.id), list[str])
assert_type(orders.depth(), int)
assert_type(orders.peek(3)[0].body, Order)
assert_type(orders.purge(limit=3), int)


@orders.consumer(prefetch=1, retry=Retry(max=3), on_error={ValueError: Drop()}, inbox=lambda order: order.id)
def handle(order: Order) -> str:
    return str(order.id)


@raw.consumer
async def handle_raw(message: Message) -> None:
    print(message.body)


@own.consumer(batch=100, batch_wait="0.5s", ack="early")
def handle_batch(bodies: list[dict[str, Any]]) -> None:
    raise BatchError({0: ValueError("bad")})


assert_type(handle(Order(1)), str)
awaited: Coroutine[Any, Any, None] = handle_raw(Message("id", b""))

logs = app.exchange("logs", "topic", alternate=app.exchange("lost", "fanout"))
assert_type(logs, Exchange)
logs.bind(orders, "order.*", "#.urgent")
logs.bind(app.exchange("docs", "headers"), "doc.#")
app.exchange("docs", "headers").bind(raw, headers={"format": "pdf"}, match="any")
assert_type(logs.publish({"m": 1}, routing_key="kern.critical", mandatory=True), str)
assert_type(logs.publish_many([1, 2], "kern.info"), list[str])


@app.on_dead_letter(source=[orders, "raw"], error=ValueError)
def escalate(letter: DeadLetterRecord) -> None:
    print(letter.reason)


@app.on_dead_letter
async def escalate_all(letter: DeadLetterRecord) -> None:
    print(letter.reason)


assert_type(app.dead_letters(orders).peek(10), list[DeadLetterRecord])
assert_type(orders.dead_letters.redrive(limit=100, rate="100/s", dry_run=True, error_type=ValueError).count, int)
assert_type(resize.dead_letters.purge(dry_run=True, since="1h"), int)
assert_type(app.dead_letters().show(3).message.body, bytes)
orders.dead_letters.edit(3, body={"id": 1}, headers={})
assert_type(orders.dead_letters.export("letters.jsonl"), int)


def pull() -> None:
    with orders.receive(timeout=5) as d:
        assert_type(d, Received[Order])
        assert_type(d.body, Order)
        d.accept()
    with raw.receive() as one:
        one.release(delay="5s") if one.attempt < 3 else one.reject("why")


async def pull_awaited() -> None:
    async with orders.receive(timeout=5) as d:
        assert_type(d.body, Order)
    assert_type(await orders.aput(Order(1)), str)
    assert_type(await orders.adepth(), int)
    assert_type(await logs.apublish(1, "a"), str)
    assert_type(await app.dead_letters().apeek(), list[DeadLetterRecord])


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


class OrderCreated(Event, type="order.created", key="order_id", topic="shop"):
    order_id: str
    lines: int = 0


class OrderPaid(OrderCreated, type="order.paid", key=lambda event: event.order_id):
    amount: float


@app.event("click", key="user_id")
@dataclass
class Click:
    user_id: str


@app.subscribe(OrderCreated, group="inventory", order="wait", retry=Retry(max=3), on_error={ValueError: Drop()})
def reserve(order: OrderCreated) -> int:
    app.publish(OrderPaid(order_id=order.order_id, amount=1.0), id="mine", delay="5m", headers={"by": "me"})
    print(current.event.id, current.event.type, current.event.time.isoformat())
    return order.lines


@router.subscribe("order.*", Click, group="audit", batch=100, batch_wait=0.5, prefetch=200)
async def audit(events: list[CloudEvent[dict[str, Any]]]) -> None:
    assert_type(events[0].data, dict[str, Any])
    assert_type(events[0].time, datetime)


@app.subscribe(OrderCreated, OrderPaid, broadcast=True, ack="early", inbox=lambda event: event.order_id)
async def forget(event: OrderCreated | OrderPaid) -> None: ...


assert_type(OrderPaid(order_id="1", amount=2.0).lines, int)
assert_type(Click("u").user_id, str)
assert_type(reserve(OrderCreated(order_id="1")), int)
assert_type(reserve.group, str)
assert_type(reserve.queue, str)
assert_type(reserve.dead_letters.count(), int)
nothing_awaited: Coroutine[Any, Any, None] = forget(OrderCreated(order_id="1"))
assert_type(app.publish(Click("u"), source="web", subject="s", priority=9, mandatory=True, timeout=3), str)
assert_type(app.publish_many([Click("u"), OrderCreated(order_id="1")]), list[str])


async def publishing() -> None:
    assert_type(await app.apublish(Click("u"), time=datetime.now(UTC)), str)
    assert_type(await app.apublish_many(Click(user) for user in ("a", "b")), list[str])


with app.eager() as bus:
    assert_type(bus.errors[0].error, BaseException)

"""The typed surface that was promised before it was built, held against the real classes. Checked, never run."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from typing import Any, assert_type

import msgspec

from postroad import App, Event, Group, Result, Signature, Step, Task, chord, group, step

app = App("memory://")


class OrderCreated(Event, type="order.created", key="order_id"):
    order_id: str
    lines: list[int] = msgspec.field(default_factory=list[int])


assert_type(OrderCreated(order_id="1", lines=[2]).order_id, str)


@app.event("click", key="user_id")
class Click(msgspec.Struct):
    user_id: str


assert_type(Click("u").user_id, str)


@app.task
def double(number: int) -> float:
    return number * 2.0


@app.task
async def name(number: float, prefix: str) -> str:
    return f"{prefix}{number}"


@app.task
def join(words: list[str]) -> str:
    return " ".join(words)


@app.schedule("*/5 * * * *")
@app.task
def tick() -> None: ...


@app.schedule(every=30.0)
@app.task
async def tock() -> int:
    return 1


by_position: Task[[int], float, float] = double
assert_type(name.delay(1.0, prefix="x"), Result[str])
not_awaited: Coroutine[Any, Any, str] = name(1.0, "x")
assert_type(tick, Task[[], None, None])

# A step lacks its first argument; a signature is complete.
assert_type(name.s("n"), Step[float, str])
assert_type(name.step("n"), Step[float, str])
assert_type(double.s(2), Signature[float])
assert_type(double.s(2) | name.s("n"), Signature[str])
assert_type(double.s() | name.s("n"), Step[int, str])
assert_type(step(double), Step[int, float])

signatures: Iterable[Signature[str]] = [name.s(1.0, "n")]
assert_type(group(signatures), Group[str])
assert_type(group(signatures).delay(), Result[list[str]])
assert_type(chord(signatures, join.s()), Signature[str])
assert_type(app.send_many(signatures), list[Result[str]])


def takes_results(results: list[Result[object]]) -> None: ...


def covariant(one: Result[str]) -> None:
    takes_results([one])


def takes_callable(fn: Callable[[int], float]) -> None: ...


takes_callable(double)

"""The tasks that are tortured. Each notes its start and its end outside the engine; some send a follow-up, some publish an
event to two groups."""

from __future__ import annotations

import asyncio
import functools
import os
import secrets
import time
from pathlib import Path

from postroad.app.app import App
from postroad.errors import ConfigurationError
from postroad.events.event import Event
from postroad.tasks.options import TaskOptions
from postroad.tasks.signature import Signature
from postroad.testing.torture import numbers
from postroad.testing.torture.records import ENDED, STARTED, SUBSCRIBERS, WORKERS, Recorder

QUEUE = "postroad-torture"
FOLDER = "POSTROAD_TORTURE_FOLDER"
DELIVERIES_MAX = 50
"""The kills are guilty here, not the tasks."""
EVENT_PAUSE_S = 0.01
"""As of tasks: several times what a commit takes."""

app = App(
    name="torture",
    task_defaults=TaskOptions(queue=QUEUE, max_deliveries=DELIVERIES_MAX, keep_result=None, retry=None),
)


class Done(Event, type="torture.done", key="lane"):
    """A task has ended well."""

    number: int
    nonce: int
    lane: str


@functools.cache
def recorder(who: str = WORKERS) -> Recorder:
    folder = os.environ.get(FOLDER)
    if folder is None:
        raise ConfigurationError(f"${FOLDER} is not set: these tasks are for 'postroad torture' alone.")
    return Recorder(Path(folder), who)


def handle(number: int, nonce: int) -> int:
    """What the plain functions do."""
    recorder().note(STARTED, [(number, nonce)])
    time.sleep(numbers.pause_s(number))
    send_along(number)
    recorder().note(ENDED, [(number, nonce)])
    return number


async def handle_on_loop(number: int, nonce: int) -> int:
    """What the coroutines do."""
    recorder().note(STARTED, [(number, nonce)])
    await asyncio.sleep(numbers.pause_s(number))
    send_along(number)
    recorder().note(ENDED, [(number, nonce)])
    return number


def send_along(number: int) -> None:
    """Every run of a handler draws another nonce: two that differ mean that something left without its outcome."""
    if numbers.follows(number):
        follow_up.delay(number + numbers.FOLLOW, secrets.randbits(63))
    if numbers.publishes(number):
        app.publish(Done(number=number, nonce=secrets.randbits(63), lane=lane_of(number)))


def lane_of(number: int) -> str:
    return str(number // 8 % numbers.LANES)


@app.task
def plain(number: int, nonce: int) -> int:
    return handle(number, nonce)


@app.task(keep_result="1h")
def kept(number: int, nonce: int) -> int:
    return handle(number, nonce)


@app.task
async def coroutine(number: int, nonce: int) -> int:
    return await handle_on_loop(number, nonce)


@app.task
def follow_up(number: int, nonce: int) -> int:
    return handle(number, nonce)


@app.subscribe(Done, group="torture-first", max_deliveries=DELIVERIES_MAX)
def first(event: Done) -> None:
    number, _other = numbers.copies(event.number)
    recorder(SUBSCRIBERS).note(STARTED, [(number, event.nonce)])
    time.sleep(EVENT_PAUSE_S)
    recorder(SUBSCRIBERS).note(ENDED, [(number, event.nonce)])


@app.subscribe(Done, group="torture-second", max_deliveries=DELIVERIES_MAX)
async def second(event: Done) -> None:
    _other, number = numbers.copies(event.number)
    recorder(SUBSCRIBERS).note(STARTED, [(number, event.nonce)])
    await asyncio.sleep(EVENT_PAUSE_S)
    recorder(SUBSCRIBERS).note(ENDED, [(number, event.nonce)])


QUEUES = (QUEUE, first.queue, second.queue)


def call(run: str, number: int, nonce: int) -> Signature[int]:
    """The call for this number, with its options."""
    kind = numbers.kind_of(number)
    if kind in (numbers.COROUTINE, numbers.COROUTINE_SENDING):
        return coroutine.s(number, nonce)
    if kind == numbers.KEPT:
        return kept.options(id=numbers.id_of(run, number)).s(number, nonce)
    if kind == numbers.KEYED:
        return plain.options(key=lane_of(number)).s(number, nonce)
    if kind == numbers.DELAYED:
        return plain.options(countdown=numbers.delay_s(number)).s(number, nonce)
    return (plain.options(priority=9) if kind == numbers.URGENT else plain).s(number, nonce)

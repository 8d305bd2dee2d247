"""Asking an app's engine, blocking or awaited."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from postroad.engine.portal import PORTAL, refuse_on_loop
from postroad.engine.route import Owner
from postroad.errors import NotSupported
from postroad.ports.driver import Driver, Inspectable, Operable

T = TypeVar("T")

Question = Callable[[Driver], Awaitable[T]]


def ask(owner: Owner, question: Question[T], verb: str, line: str) -> T:
    """Blocking. ``verb`` and ``line`` name the call and what to await instead, for who calls it on a running loop."""
    refuse_on_loop(verb, line)
    return PORTAL.run(asked(owner, question))


async def aask(owner: Owner, question: Question[T]) -> T:
    """`ask`, awaited."""
    return await PORTAL.wait(asked(owner, question))


async def asked(owner: Owner, question: Question[T]) -> T:
    return await question(await owner.connection.ensure())


def inspectable(driver: Driver) -> Inspectable:
    """Raises NotSupported for an engine that cannot be looked into."""
    if not isinstance(driver, Inspectable):
        raise NotSupported("This engine cannot say what waits in it: ask its own tools.")
    return driver


def operable(driver: Driver) -> Operable:
    """Raises NotSupported for an engine whose messages cannot be operated on."""
    if not isinstance(driver, Operable):
        raise NotSupported("This engine cannot change what waits in it: use its own tools.")
    return driver

"""Checks by name, and which of them an engine must pass."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import msgspec

from postroad.core.capabilities import Capabilities, Ordering, Starts
from postroad.errors import UsageError
from postroad.ports.driver import Driver, Inspectable, Operable, PublishesFromThreads, Supervisable
from postroad.testing.conformance.engine import QUEUE, Engine, declare

Run = Callable[[Engine], Awaitable[None]]
Claim = Callable[[Engine, Driver, Capabilities], bool]

CHECK_TIMEOUT_S = 90.0

FEATURES: dict[str, Claim] = {
    "kept": lambda engine, driver, offers: engine.kept,
    "shared": lambda engine, driver, offers: engine.shared,
    "processes": lambda engine, driver, offers: engine.processes and offers.several_processes,
    "holders seen": lambda engine, driver, offers: isinstance(driver, Supervisable) and offers.lease_s is None,
    "starts": lambda engine, driver, offers: isinstance(driver, Supervisable) and offers.starts is not Starts.NONE,
    "starts can be lost": lambda engine, driver, offers: engine.can_lose_starts,
    "threads": lambda engine, driver, offers: isinstance(driver, PublishesFromThreads),
    "delay": lambda engine, driver, offers: offers.delay_max_s is None or offers.delay_max_s >= 1,
    "release": lambda engine, driver, offers: "release" in offers.outcomes,
    "uncounted": lambda engine, driver, offers: offers.give_back_uncounted,
    "priority": lambda engine, driver, offers: offers.priority_levels > 1,
    "lanes": lambda engine, driver, offers: offers.ordering is Ordering.LANE,
    "atomic": lambda engine, driver, offers: getattr(driver, "name", None) in offers.atomic_with,
    "documents": lambda engine, driver, offers: hasattr(driver, "commit") and hasattr(driver, "scan"),
    "dead letters": lambda engine, driver, offers: offers.dead_letters and isinstance(driver, Inspectable),
    "looking": lambda engine, driver, offers: offers.peek and isinstance(driver, Inspectable),
    "exchanges": lambda engine, driver, offers: {"direct", "fanout", "topic"} <= set(offers.exchanges),
    "exchanges by headers": lambda engine, driver, offers: "headers" in offers.exchanges,
    "unrouted": lambda engine, driver, offers: offers.unrouted,
    "reject": lambda engine, driver, offers: "reject" in offers.max_length,
    "block": lambda engine, driver, offers: "block" in offers.max_length,
    "drop_oldest": lambda engine, driver, offers: "drop_oldest" in offers.max_length,
    "operating": lambda engine, driver, offers: isinstance(driver, Operable),
}
"""What a check may need: each a question to the harness, the driver and its capabilities."""


class Check(msgspec.Struct, frozen=True):
    """``promise``: which of the delivery contract's. ``name``: what is to hold. ``needs``: keys of FEATURES."""

    promise: str
    name: str
    run: Run
    needs: frozenset[str]

    def __str__(self) -> str:
        return f"{self.promise}:{self.name}"


CHECKS: list[Check] = []


def promise(title: str) -> Callable[..., Callable[[Run], Run]]:
    """A decorator for the checks of one promise, which takes the features a check needs."""

    def check(*needs: str) -> Callable[[Run], Run]:
        unknown = set(needs) - FEATURES.keys()
        if unknown:
            raise UsageError(f"{sorted(unknown)} are no features of {sorted(FEATURES)}.")

        def register(function: Run) -> Run:
            CHECKS.append(Check(title, function.__name__, function, frozenset(needs)))
            return function

        return register

    return check


def features(engine: Engine) -> frozenset[str]:
    """What this engine claims, asked of an opened driver."""
    return asyncio.run(ask_features(engine))


async def ask_features(engine: Engine) -> frozenset[str]:
    async with engine.driver() as driver:
        await declare(driver, (QUEUE,))
        offers = driver.offers(QUEUE)
        return frozenset(name for name, claim in FEATURES.items() if claim(engine, driver, offers))


def claimed(check: Check, offered: frozenset[str]) -> bool:
    return check.needs <= offered


def unclaimed(offered: frozenset[str]) -> list[str]:
    """The checks that an engine with these features does not have to pass, each with what it lacks."""
    return [f"{check}: {', '.join(sorted(check.needs - offered))}" for check in CHECKS if not claimed(check, offered)]


def run(check: Check, engine: Engine) -> None:
    """Run one check on a fresh engine. Raises what the check raises, or TimeoutError."""
    asyncio.run(asyncio.wait_for(check.run(engine), CHECK_TIMEOUT_S))

"""What an engine lacks is made up for in one place: an outcome becomes steps."""

from __future__ import annotations

from enum import Enum

import msgspec

from postroad.core.capabilities import Capabilities, Ordering
from postroad.core.outcome import Outcome, Reject, Release
from postroad.errors import NotSupported


class Step(Enum):
    """SETTLE: the driver does it, with sends and writes in its transaction.
    COMMIT_STORE: one fenced store transaction with inbox mark, writes and sends. PUBLISH: sends, confirmed.
    ACCEPT: at the source. DEAD_LETTER: the store keeps the letter, with the writes, in one transaction.
    PARK: the store keeps it until it is due.
    HOLD: the worker keeps it under its lease and runs it again.
    """

    SETTLE = "settle"
    COMMIT_STORE = "commit store"
    PUBLISH = "publish"
    ACCEPT = "accept"
    DEAD_LETTER = "dead letter"
    PARK = "park"
    HOLD = "hold"


class Situation(msgspec.Struct, frozen=True):
    """What the planner needs to know beside the capabilities."""

    store: str | None = None
    has_sends: bool = False
    has_writes: bool = False
    keyed: bool = False
    order_wait: bool = True
    hold_max_s: float = 5.0


def plan(outcome: Outcome, capabilities: Capabilities, situation: Situation) -> tuple[Step, ...]:
    """The steps, in order. Raises NotSupported with advice where the engine and the store cannot do it."""
    if isinstance(outcome, Release):
        return plan_release(outcome, capabilities, situation)
    atomic = situation.store is not None and situation.store in capabilities.atomic_with
    if isinstance(outcome, Reject) and not capabilities.dead_letters:
        return plan_dead_letter(situation)
    if atomic or not (situation.has_sends or situation.has_writes):
        return (Step.SETTLE,)
    return plan_outputs(outcome, situation)


def plan_outputs(outcome: Outcome, situation: Situation) -> tuple[Step, ...]:
    """Sends and writes on two systems: store first, then publish, then accept, or reject at the source (E7)."""
    if situation.has_writes and situation.store is None:
        raise NotSupported("This handler writes results or state, and there is no store: give App(store=...).")
    commit = (Step.COMMIT_STORE,) if situation.store is not None else ()
    publish = (Step.PUBLISH,) if situation.has_sends else ()
    end = Step.SETTLE if isinstance(outcome, Reject) else Step.ACCEPT
    return (*commit, *publish, end)


def plan_dead_letter(situation: Situation) -> tuple[Step, ...]:
    if situation.store is None:
        raise NotSupported("This engine keeps no dead letters, and there is no store: give App(store=...).")
    return (Step.DEAD_LETTER, Step.ACCEPT)


def plan_release(outcome: Release, capabilities: Capabilities, situation: Situation) -> tuple[Step, ...]:
    """The engine's own delay where it reaches and keeps the lane; else hold (short) or park in the store (long)."""
    reaches = capabilities.delay_max_s is None or outcome.delay_s <= capabilities.delay_max_s
    waits_in_lane = situation.keyed and situation.order_wait
    if (
        "release" in capabilities.outcomes
        and reaches
        and (not waits_in_lane or capabilities.ordering is not Ordering.NONE)
    ):
        return (Step.SETTLE,)
    if outcome.delay_s <= situation.hold_max_s:
        return (Step.HOLD,)
    if situation.store is not None:
        return (Step.PARK, Step.ACCEPT)
    raise NotSupported(
        f"A delay of {outcome.delay_s:g} s is above what this engine can hold ({situation.hold_max_s:g} s), and there is no "
        "store to park the message in: give App(store=...), or shorten the retry delay."
    )

"""What the planner makes of an outcome, for every kind of engine and store, as a table."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroad.core.capabilities import Capabilities, Ordering
from postroad.core.outcome import ACCEPT, Outcome, Reject, Release
from postroad.core.settlement import Situation, Step, plan
from postroad.errors import NotSupported

EMBEDDED = Capabilities(atomic_with=("sqlite",))
BROKER = Capabilities(ordering=Ordering.NONE, delay_max_s=0.0)
SHORT = Capabilities(delay_max_s=900.0)
LOG = Capabilities(outcomes=("accept",), dead_letters=False)

REJECT = Reject("bad")
OUTPUTS = Situation(store="sqlite", has_sends=True, has_writes=True)
SENDS = Situation(has_sends=True)
OTHER_STORE = Situation(store="postgres", has_sends=True, has_writes=True)
STORE_ONLY = Situation(store="postgres")

TABLE: list[tuple[str, Outcome, Capabilities, Situation, tuple[Step, ...]]] = [
    ("nothing leaves: the driver settles", ACCEPT, EMBEDDED, Situation(), (Step.SETTLE,)),
    ("one system: all in its transaction", ACCEPT, EMBEDDED, OUTPUTS, (Step.SETTLE,)),
    ("a reject with writes, one system", REJECT, EMBEDDED, OUTPUTS, (Step.SETTLE,)),
    ("no store: publish, then accept", ACCEPT, BROKER, SENDS, (Step.PUBLISH, Step.ACCEPT)),
    ("two systems", ACCEPT, BROKER, OTHER_STORE, (Step.COMMIT_STORE, Step.PUBLISH, Step.ACCEPT)),
    (
        "embedded driver, another store",
        ACCEPT,
        EMBEDDED,
        OTHER_STORE,
        (Step.COMMIT_STORE, Step.PUBLISH, Step.ACCEPT),
    ),
    (
        "two systems, writes alone",
        ACCEPT,
        BROKER,
        Situation(store="postgres", has_writes=True),
        (Step.COMMIT_STORE, Step.ACCEPT),
    ),
    ("nothing leaves, two systems", ACCEPT, BROKER, STORE_ONLY, (Step.SETTLE,)),
    ("the broker has dead letters", REJECT, BROKER, Situation(), (Step.SETTLE,)),
    (
        "the broker has dead letters, the store the state",
        REJECT,
        BROKER,
        Situation(store="postgres", has_writes=True),
        (Step.COMMIT_STORE, Step.SETTLE),
    ),
    ("the store has both", REJECT, LOG, OTHER_STORE, (Step.DEAD_LETTER, Step.ACCEPT)),
    ("the store has them", REJECT, LOG, STORE_ONLY, (Step.DEAD_LETTER, Step.ACCEPT)),
    ("release at once", Release(), EMBEDDED, Situation(), (Step.SETTLE,)),
    ("release without limit", Release(1e9), EMBEDDED, Situation(), (Step.SETTLE,)),
    ("release up to the limit", Release(900), SHORT, Situation(), (Step.SETTLE,)),
    ("above it, with a store", Release(901), SHORT, STORE_ONLY, (Step.PARK, Step.ACCEPT)),
    ("a short one is held", Release(5), BROKER, Situation(), (Step.HOLD,)),
    ("held to the declared limit", Release(8), BROKER, Situation(hold_max_s=8), (Step.HOLD,)),
    ("a short one is held though a store is there", Release(5), BROKER, STORE_ONLY, (Step.HOLD,)),
    ("a log cannot release: held", Release(0), LOG, Situation(), (Step.HOLD,)),
    (
        "a lane keeps its place where the engine has lanes",
        Release(60),
        EMBEDDED,
        Situation(keyed=True),
        (Step.SETTLE,),
    ),
    (
        "a lane waits: parked where the engine has none",
        Release(60),
        Capabilities(ordering=Ordering.NONE),
        Situation(store="postgres", keyed=True),
        (Step.PARK, Step.ACCEPT),
    ),
    (
        "order=skip does not wait in the lane",
        Release(60),
        Capabilities(ordering=Ordering.NONE),
        Situation(keyed=True, order_wait=False),
        (Step.SETTLE,),
    ),
]


@pytest.mark.parametrize(
    ("outcome", "capabilities", "situation", "steps"),
    [row[1:] for row in TABLE],
    ids=[row[0] for row in TABLE],
)
def test_the_table(
    outcome: Outcome, capabilities: Capabilities, situation: Situation, steps: tuple[Step, ...]
) -> None:
    assert plan(outcome, capabilities, situation) == steps


@pytest.mark.parametrize(
    ("outcome", "capabilities", "situation", "advice"),
    [
        (ACCEPT, BROKER, Situation(has_writes=True), r"no store: give App\(store="),
        (REJECT, LOG, Situation(), r"no dead letters.*give App\(store="),
        (
            Release(5.001),
            BROKER,
            Situation(),
            r"5\.001 s is above.*5 s.*give App\(store=\.\.\.\), or shorten",
        ),
        (
            Release(60),
            Capabilities(ordering=Ordering.NONE),
            Situation(keyed=True),
            r"60 s is above.*give App\(store=",
        ),
    ],
    ids=["writes", "dead letters", "delay", "delay in a lane"],
)
def test_what_cannot_be_is_refused_with_advice(
    outcome: Outcome, capabilities: Capabilities, situation: Situation, advice: str
) -> None:
    with pytest.raises(NotSupported, match=advice):
        plan(outcome, capabilities, situation)


OUTCOMES = st.sampled_from([ACCEPT, REJECT]) | st.builds(Release, st.floats(0, 1e6), st.booleans())
CAPABILITIES = st.builds(
    Capabilities,
    ordering=st.sampled_from(Ordering),
    outcomes=st.sampled_from([("accept",), ("accept", "release"), ("accept", "release", "reject")]),
    delay_max_s=st.none() | st.floats(0, 1e6),
    atomic_with=st.sampled_from([(), ("a",), ("a", "b")]),
    dead_letters=st.booleans(),
)
SITUATIONS = st.builds(
    Situation, st.sampled_from([None, "a", "b"]), st.booleans(), st.booleans(), st.booleans(), st.booleans()
)


@given(OUTCOMES, CAPABILITIES, SITUATIONS)
def test_with_a_store_nothing_is_refused_and_nothing_is_settled_twice(
    outcome: Outcome, capabilities: Capabilities, situation: Situation
) -> None:
    try:
        steps = plan(outcome, capabilities, situation)
    except NotSupported:
        assert situation.store is None
        return
    ends = [step for step in steps if step in (Step.SETTLE, Step.ACCEPT, Step.HOLD)]
    assert len(ends) == 1
    assert steps[-1] is ends[0]


@given(CAPABILITIES, SITUATIONS)
def test_no_output_is_forgotten(capabilities: Capabilities, situation: Situation) -> None:
    try:
        steps = plan(ACCEPT, capabilities, situation)
    except NotSupported:
        return
    atomic = situation.store in capabilities.atomic_with
    if not atomic:
        assert (Step.PUBLISH in steps) == situation.has_sends
        assert not situation.has_writes or Step.COMMIT_STORE in steps


@given(CAPABILITIES, SITUATIONS)
def test_a_reject_leaves_a_dead_letter_and_its_writes(
    capabilities: Capabilities, situation: Situation
) -> None:
    """A state document that goes with a dead letter (task FAILED) is an output like any other."""
    try:
        steps = plan(REJECT, capabilities, situation)
    except NotSupported:
        return
    assert Step.DEAD_LETTER in steps or (steps[-1] is Step.SETTLE and capabilities.dead_letters)
    if situation.has_writes and situation.store not in capabilities.atomic_with:
        assert Step.COMMIT_STORE in steps or Step.DEAD_LETTER in steps

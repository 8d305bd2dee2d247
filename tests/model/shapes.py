"""What a step may draw: messages, where they go, how deliveries end."""

from __future__ import annotations

from hypothesis import strategies as st
from tests.model.reference import Binding, Rules

from postroad.core.outcome import ACCEPT, Outcome, Reject, Release
from postroad.core.topology import Exchange, Queue

RULES = {
    "a": Rules(),
    "b": Rules(),
    "few": Rules(3, "reject"),
    "wait": Rules(3, "block"),
    "drop": Rules(3, "drop_oldest"),
    "brief": Rules(ttl_s=10.0),
}
QUEUES = tuple(Queue(name, "", rules.most, rules.overflow, rules.ttl_s) for name, rules in RULES.items())

KINDS = {"t": "topic", "f": "fanout"}
EXCHANGES = tuple(Exchange(name, kind) for name, kind in KINDS.items())
PATTERNS = ("k.x", "k.*", "*.x", "#", "k.#", "#.x.#")
BINDINGS: st.SearchStrategy[Binding] = st.one_of(
    st.tuples(st.just("t"), st.sampled_from(PATTERNS), st.sampled_from([*RULES, "f"])),
    st.tuples(st.just("f"), st.just(""), st.sampled_from([*RULES, "t"])),
)
FIRST_BINDINGS: tuple[Binding, ...] = (("t", "k.*", "a"), ("t", "#", "drop"), ("f", "", "a"), ("f", "", "few"))

Target = tuple[str, str]
"""Exchange and routing key."""

STRAIGHT = [("", name) for name in RULES]
ROUTED = [("t", "k.x"), ("t", "k"), ("t", "m.x.n"), ("f", "k.x")]
TARGETS: st.SearchStrategy[Target] = st.sampled_from([*[("", "a")] * 5, *STRAIGHT, *STRAIGHT[2:], *ROUTED * 2])
NOWHERE: st.SearchStrategy[Target] = st.sampled_from([("", "nowhere"), ("nowhere", "k.x")])
TAKEN_FROM = st.sampled_from(["a", "a", "a", "few", "wait", "drop", "brief"])

Shape = tuple[int, str | None, bool, float | None, tuple[str, float | None] | None, int | None, bool]

DELAYS = st.sampled_from([1.0, 5.0, 30.0])
SHAPES: st.SearchStrategy[Shape] = st.tuples(
    st.sampled_from([4, 4, 4, 0, 9]),
    st.sampled_from([None, None, "x", "y"]),
    st.booleans(),
    st.sampled_from([None, None, None, 1.0, 5.0, 30.0]),
    st.sampled_from([None, None, None, None, None, None, None, ("u", None), ("v", None), ("w", None), ("v", 20.0)]),
    st.sampled_from([*[None] * 10, 0, 1, 2, 3, 4]),
    st.sampled_from([False, False, False, True]),
)
"""Priority, key, skips, delay, unique key with its time, number of an id that the sender chose, mandatory."""

PLAIN_SHAPES = SHAPES.map(lambda shape: (*shape[:4], None, None, shape[6]))
"""Without what is remembered of a message after it has left."""

OUTCOMES: st.SearchStrategy[Outcome] = st.sampled_from(
    [
        ACCEPT,
        ACCEPT,
        ACCEPT,
        Release(),
        Release(0.0, counted=True),
        Release(1.0, counted=True),
        Release(30.0),
        Reject("no"),
        Reject("no"),
    ]
)
MARKS = st.sampled_from([None, None, None, "m1", "m2", "m3"])

SUSPECT_ENDS = st.sampled_from(["die", "close", "settle", "give back", "keep"])

LIVING = [
    *["publish", "work", "claim", "settle", "time_passes"] * 3,
    *[
        "publish_to_nowhere",
        "settle_what_is_lost",
        "settle_with_a_refused_send",
        "settle_with_sends",
        "settle_with_sends",
    ],
    *["close_one", "cancel", "purge", "redrive", "redrive", "delete_dead", "edit_dead", "carry_dead", "commit"],
    *["bind", "unbind"],
]
DYING = [*["claim_and_die", "claim_suspect"] * 4, "reopen"]
"""What may be done next, as often as it stands here. One rule draws from them: separate rules would be left out of
whole examples, and what is rare already (a suspect) never met."""

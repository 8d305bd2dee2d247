"""Where a message goes: patterns beside a matcher that tries everything, and exchanges beside exchanges."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroad.core import routing
from postroad.core.routing import PatternTree, RoutingTable, matches, overlap, valid_pattern
from postroad.core.topology import Binding, Exchange, Topology
from postroad.errors import InvalidPattern


def takes(pattern: Sequence[str], key: Sequence[str]) -> bool:
    """Said another way than in the tree: word by word, `#` by trying every length."""
    if not pattern:
        return not key
    if pattern[0] == "#":
        return any(takes(pattern[1:], key[start:]) for start in range(len(key) + 1))
    return bool(key) and pattern[0] in ("*", key[0]) and takes(pattern[1:], key[1:])


@pytest.mark.parametrize(
    ("pattern", "taken", "left"),
    [
        ("a", ["a"], ["", "b", "a.a", "aa"]),
        ("a.b", ["a.b"], ["a", "b", "a.b.c", "a.c"]),
        ("*", ["a", "b"], ["", "a.b", "a.b.c"]),
        ("a.*", ["a.b", "a.*"], ["a", "a.b.c", "b.a"]),
        ("*.b", ["a.b", "b.b"], ["b", "a.a.b"]),
        ("a.*.c", ["a.b.c"], ["a.c", "a.b.b.c"]),
        ("#", ["", "a", "a.b", "a.b.c"], []),
        ("a.#", ["a", "a.b", "a.b.c"], ["b", "b.a", "aa"]),
        ("#.c", ["c", "a.c", "a.b.c"], ["a", "c.a"]),
        ("a.#.c", ["a.c", "a.b.c", "a.b.b.c", "a.c.c"], ["a", "c", "a.b"]),
        ("#.b.#", ["b", "a.b", "b.c", "a.b.c"], ["a", "a.c"]),
        ("*.#", ["a", "a.b"], [""]),
        ("#.*", ["a", "a.b"], []),
        ("#.#", ["", "a", "a.b"], []),
        ("*.*.#", ["a.b", "a.b.c"], ["a"]),
    ],
)
def test_what_a_pattern_takes(pattern: str, taken: list[str], left: list[str]) -> None:
    assert [key for key in taken if not matches(pattern, key)] == []
    assert [key for key in left if matches(pattern, key)] == []


PATTERN_WORDS = st.lists(st.sampled_from(["a", "b", "*", "#"]), min_size=1, max_size=5)
KEY_WORDS = st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=7)


@given(PATTERN_WORDS, KEY_WORDS)
def test_a_pattern_takes_what_trying_everything_takes(pattern: list[str], key: list[str]) -> None:
    assert matches(".".join(pattern), ".".join(key)) == takes(pattern, key)


@given(st.lists(PATTERN_WORDS, max_size=12), KEY_WORDS)
def test_a_tree_finds_every_pattern_that_takes_the_key(patterns: list[list[str]], key: list[str]) -> None:
    tree = PatternTree()
    for number, pattern in enumerate(patterns):
        tree.add(".".join(pattern), (str(number), False))
    expected = {(str(number), False) for number, pattern in enumerate(patterns) if takes(pattern, key)}
    assert set(tree.find(".".join(key))) == expected


ALL_KEYS = [key for length in range(1, 7) for key in itertools.product("abc", repeat=length)]
"""Whatever two patterns of three words take together, they take one of these: six words, and one letter neither has."""
SHORT = st.lists(st.sampled_from(["a", "b", "*", "#"]), min_size=1, max_size=3)


@given(SHORT, SHORT)
def test_patterns_overlap_when_some_key_is_taken_by_both(first: list[str], second: list[str]) -> None:
    # "#" and "#.#" also take the key without words; then they take one of one word as well.
    expected = any(takes(first, key) and takes(second, key) for key in ALL_KEYS)
    assert overlap(".".join(first), ".".join(second)) == expected
    assert overlap(".".join(second), ".".join(first)) == expected


@pytest.mark.parametrize(
    ("first", "second", "both"),
    [
        ("order.*", "order.created", True),
        ("order.*", "order.#", True),
        ("order.created", "order.paid", False),
        ("order.*", "order.created.eu", False),
        ("*.created", "order.*", True),
        ("#.eu", "order.#", True),
        ("order.*.eu", "order.#.us", False),
        ("#", "anything.at.all", True),
    ],
)
def test_overlap_of_what_people_write(first: str, second: str, both: bool) -> None:
    assert overlap(first, second) is both
    assert overlap(second, first) is both


@pytest.mark.parametrize("pattern", ["a", "a.b", "*", "#", "order.*.eu", "#.x.#", "a-b_c/d e.é", "order.created:v2"])
def test_patterns_that_are(pattern: str) -> None:
    assert valid_pattern(pattern) == pattern


@pytest.mark.parametrize("pattern", ["", ".", "a.", ".a", "a..b", "a*", "*a.b", "order.cre#ted", "##", "**", "a.*#"])
def test_patterns_that_are_not(pattern: str) -> None:
    with pytest.raises(InvalidPattern) as refused:
        valid_pattern(pattern)
    assert repr(pattern) in str(refused.value)
    assert "'order.*'" in str(refused.value), "it says what to write"


# Exchanges


def table(exchanges: Sequence[Exchange], *bindings: Binding) -> RoutingTable:
    return RoutingTable(Topology((), tuple(exchanges), bindings))


def test_a_direct_exchange_goes_by_the_key_as_it_stands() -> None:
    direct = table([Exchange("x", "direct")], Binding("x", "q", "a.b"), Binding("x", "r", "a.*"), Binding("x", "s", ""))
    assert direct.route("x", "a.b", {}) == ("q",)
    assert direct.route("x", "a.*", {}) == ("r",)
    assert direct.route("x", "", {}) == ("s",)
    assert direct.route("x", "a.c", {}) == ()


def test_a_fanout_exchange_goes_everywhere() -> None:
    fanout = table([Exchange("x", "fanout")], Binding("x", "q", "never"), Binding("x", "r"))
    assert fanout.route("x", "", {}) == fanout.route("x", "any.thing", {"a": "b"}) == ("q", "r")


def test_a_topic_exchange_goes_by_pattern() -> None:
    topic = table([Exchange("x")], Binding("x", "q", "kern.*"), Binding("x", "r", "#"), Binding("x", "s", "mail.#"))
    assert sorted(topic.route("x", "kern.critical", {}) or ()) == ["q", "r"]
    assert sorted(topic.route("x", "mail", {}) or ()) == ["r", "s"]
    assert topic.route("x", "cron.a.b", {}) == ("r",)


BOTH = {"kind": "pdf", "size": "big"}


@pytest.mark.parametrize(
    ("match", "headers", "taken"),
    [
        ("all", BOTH, True),
        ("all", {**BOTH, "more": "1"}, True),
        ("all", {"kind": "pdf"}, False),
        ("all", {"kind": "pdf", "size": "small"}, False),
        ("all", {}, False),
        ("any", {"kind": "pdf"}, True),
        ("any", {"kind": "pdf", "size": "small"}, True),
        ("any", {"kind": "png", "size": "small"}, False),
        ("any", {}, False),
    ],
)
def test_a_headers_exchange_goes_by_headers(match: str, headers: dict[str, str], taken: bool) -> None:
    by_headers = table([Exchange("x", "headers")], Binding("x", "q", headers=BOTH, match=match))
    assert by_headers.route("x", "kind", headers) == (("q",) if taken else ())


@pytest.mark.parametrize("match", ["all", "any"])
def test_a_binding_by_no_headers_takes_everything(match: str) -> None:
    by_headers = table([Exchange("x", "headers")], Binding("x", "q", match=match))
    assert by_headers.route("x", "", {}) == by_headers.route("x", "", BOTH) == ("q",)


def test_headers_are_asked_of_every_message_and_not_remembered() -> None:
    """The next message with the same key may have others; also behind an exchange that goes by key."""
    both = table(
        [Exchange("x", "fanout"), Exchange("h", "headers")],
        Binding("x", "h", to_exchange=True),
        Binding("h", "q", headers={"a": "1"}),
    )
    assert both.route("x", "k", {"a": "1"}) == ("q",)
    assert both.route("x", "k", {"a": "2"}) == ()
    assert both.route("x", "k", {"a": "1"}) == ("q",)


def test_a_queue_bound_many_times_gets_one_copy() -> None:
    exchanges = [Exchange("x"), Exchange("y", "fanout"), Exchange("h", "headers")]
    many = [Binding("x", "q", pattern) for pattern in ("a.b", "a.*", "#", "*.b")]
    ways = [Binding("x", "y", "#", to_exchange=True), Binding("y", "q"), Binding("x", "h", "#", to_exchange=True)]
    both = table(exchanges, *many, *ways, Binding("h", "q"), Binding("h", "q", headers={"a": "b"}, match="any"))
    assert both.route("x", "a.b", {"a": "b"}) == ("q",)


def test_exchanges_go_through_exchanges_by_the_same_key_and_headers() -> None:
    chain = table(
        [Exchange("one", "direct"), Exchange("two", "topic"), Exchange("three", "headers")],
        Binding("one", "two", "a.b", to_exchange=True),
        Binding("two", "three", "a.*", to_exchange=True),
        Binding("two", "q", "*.b"),
        Binding("three", "r", headers={"n": "1"}),
    )
    assert chain.route("one", "a.b", {"n": "1"}) == ("r", "q")
    assert chain.route("one", "a.b", {}) == ("q",)
    assert chain.route("one", "a.c", {"n": "1"}) == ()
    assert chain.route("two", "a.c", {"n": "1"}) == ("r",)


def test_a_circle_of_exchanges_is_walked_once() -> None:
    names = "abc"
    round_and_round = [Binding(one, names[(n + 1) % 3], to_exchange=True) for n, one in enumerate(names)]
    itself = Binding("a", "a", to_exchange=True)
    circle = table(
        [Exchange(name, "fanout") for name in names],
        *round_and_round,
        itself,
        *(Binding(name, f"q{name}") for name in names),
    )
    for name in names:
        assert sorted(circle.route(name, "k", {}) or ()) == ["qa", "qb", "qc"]


def test_there_is_no_such_exchange() -> None:
    assert table([Exchange("x")]).route("y", "k", {}) is None
    assert table([Exchange("x")]).route("x", "k", {}) == ()


def test_an_exchange_bound_to_one_that_is_gone_goes_on() -> None:
    left = table([Exchange("x", "fanout")], Binding("x", "gone", to_exchange=True), Binding("x", "q"))
    assert left.route("x", "k", {}) == ("q",)


# What goes nowhere


def test_what_an_exchange_can_route_nowhere_goes_to_its_alternate() -> None:
    exchanges = [Exchange("x", "topic", alternate="rest"), Exchange("rest", "fanout")]
    both = table(exchanges, Binding("x", "q", "a.*"), Binding("rest", "r"))
    assert both.route("x", "a.b", {}) == ("q",)
    assert both.route("x", "b", {}) == ("r",)


def test_alternates_have_alternates_and_may_lead_in_a_circle() -> None:
    chain = [Exchange("x", "direct", "y"), Exchange("y", "direct", "z"), Exchange("z", "direct", "x")]
    last = table(chain, Binding("z", "q", "k"))
    assert last.route("x", "k", {}) == last.route("y", "k", {}) == last.route("z", "k", {}) == ("q",)
    assert last.route("x", "other", {}) == ()


def test_an_alternate_is_for_what_no_binding_takes() -> None:
    """As RabbitMQ has it: where a bound exchange leads is no longer this exchange's business."""
    exchanges = [Exchange("x", "topic", "rest"), Exchange("y", "fanout"), Exchange("rest", "fanout")]
    bound = [Binding("x", "y", "a.*", to_exchange=True), Binding("rest", "r")]
    assert table(exchanges, *bound).route("x", "a.b", {}) == ()
    assert table(exchanges, *bound).route("x", "b", {}) == ("r",)
    circle = [*bound, Binding("y", "x", to_exchange=True), Binding("y", "q")]
    assert table(exchanges, *circle).route("y", "a.b", {}) == ("q",), "x sent it on, though to where it came from"


def test_an_alternate_that_is_not_there_is_nowhere() -> None:
    assert table([Exchange("x", "topic", "gone")]).route("x", "k", {}) == ()


def test_an_exchange_behind_an_exchange_uses_its_own_alternate() -> None:
    both = table(
        [Exchange("x", "fanout"), Exchange("y", "direct", "rest"), Exchange("rest", "fanout")],
        Binding("x", "y", to_exchange=True),
        Binding("x", "q"),
        Binding("rest", "r"),
    )
    assert both.route("x", "k", {}) == ("r", "q")


def test_whether_anything_sent_there_would_go_anywhere() -> None:
    topic = table([Exchange("x")], Binding("x", "q", "a.*"))
    assert topic.has_targets("x", "a.b")
    assert not topic.has_targets("x", "b")
    assert not topic.has_targets("y", "a.b")


# Cost


def visits(tree: PatternTree, key: str) -> int:
    """How many places of the tree one look comes by."""
    seen: set[tuple[int, int]] = set()
    tree.collect(key.split("."), 0, {}, seen)
    return len(seen)


def grown(count: int) -> PatternTree:
    """Patterns as an application has them: a few wildcards among very many names."""
    tree = PatternTree()
    for number in range(count):
        family = ("order.{}.paid", "order.*.n{}", "shop{}.#", "*.{}.created")[number % 4]
        tree.add(family.format(number), (f"q{number}", False))
    return tree


@pytest.mark.parametrize("key", ["order.4.paid", "order.7.created", "shop2.a.b.c", "nothing.of.this", "order"])
def test_a_look_costs_by_the_words_of_the_key_not_by_the_number_of_patterns(key: str) -> None:
    assert visits(grown(10_000), key) <= 2 * visits(grown(10), key)


def test_many_wildcards_are_walked_once_each() -> None:
    """Fifteen `#` can share a key of thirty words in 300 million ways; there are some hundred places to be in."""
    tree = PatternTree()
    tree.add(".".join(["#", "a"] * 15), ("q", False))
    key = ".".join(["a"] * 30)
    assert tree.find(key)
    assert visits(tree, key) <= 31 * 31


def test_a_key_seen_before_is_remembered_and_what_is_remembered_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routing, "REMEMBERED_MAX", 10)
    topic = table([Exchange("x")], Binding("x", "q", "a.*"))
    for number in range(100):
        assert topic.route("x", f"a.{number}", {}) == topic.route("x", f"a.{number}", {}) == ("q",)
        assert len(topic.remembered) <= 10

"""Queues as declared, and what differs."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroad.core.topology import (
    NAME_LENGTH_MAX,
    Binding,
    Exchange,
    Queue,
    Topology,
    change_for,
    changes,
    conflict,
    differences,
    merged,
    together,
    valid_name,
)
from postroad.errors import InvalidName, TopologyConflict

PRESENT = Queue("media", "tasks", 100, "reject", 60.0, 9)


def test_a_new_queue_is_created_in_words() -> None:
    change = change_for(PRESENT, None)
    assert change is not None
    assert (change.action, change.what, change.words) == ("create", PRESENT, "create queue 'media'")


def test_the_same_queue_changes_nothing() -> None:
    assert change_for(PRESENT, PRESENT) is None


@pytest.mark.parametrize(
    ("field", "value", "phrase"),
    [
        ("carries", "messages", "carries is 'tasks' there and 'messages' here"),
        ("max_length", None, "max_length is 100 there and None here"),
        ("overflow", "block", "overflow is 'reject' there and 'block' here"),
        ("ttl_s", 61.0, "ttl_s is 60.0 there and 61.0 here"),
        ("priority_max", 5, "priority_max is 9 there and 5 here"),
        ("exclusive", True, "exclusive is False there and True here"),
        ("temporary", True, "temporary is False there and True here"),
    ],
)
def test_every_argument_that_differs_is_named(field: str, value: object, phrase: str) -> None:
    declared = msgspec.structs.replace(PRESENT, **{field: value})
    assert differences(declared, PRESENT) == [phrase]
    change = change_for(declared, PRESENT)
    assert change is not None
    assert change.action == "conflict"
    assert phrase in change.words


def test_all_differences_are_named_at_once() -> None:
    assert len(differences(Queue("media", "messages", 1, "block", 1.0, 1), PRESENT)) == 5


def test_who_does_not_say_what_it_carries_does_not_disagree() -> None:
    assert change_for(msgspec.structs.replace(PRESENT, carries=""), PRESENT) is None


def test_every_argument_is_compared() -> None:
    """A field added to Queue and forgotten here would be a conflict nobody sees."""
    assert set(Queue.__struct_fields__) == {
        "name",
        "carries",
        "max_length",
        "overflow",
        "ttl_s",
        "priority_max",
        "exclusive",
        "temporary",
    }


@pytest.mark.parametrize("name", ["media", "a", "é.b-c_d/e f", "x" * NAME_LENGTH_MAX])
def test_names_that_are(name: str) -> None:
    assert valid_name(name) == name


@pytest.mark.parametrize("name", ["", "x" * (NAME_LENGTH_MAX + 1), "a\nb", "a\0", "\x1b[31m", "\u202e"])
def test_names_that_are_not(name: str) -> None:
    with pytest.raises(InvalidName, match="is no exchange name"):
        valid_name(name, "exchange")


@given(st.text(max_size=250))
def test_a_valid_name_prints_and_is_short(name: str) -> None:
    try:
        valid_name(name)
    except InvalidName:
        return
    assert 1 <= len(name) <= NAME_LENGTH_MAX
    assert name.isprintable()


LOGS = Exchange("logs", "topic", alternate="rest")
KERNEL = Binding("logs", "kernel", "kern.*")
DECLARED = Topology((PRESENT, Queue("kernel")), (LOGS, Exchange("rest", "fanout")), (KERNEL,))


def words(declared: Topology, present: Topology) -> list[str]:
    return [change.words for change in changes(declared, present)]


def test_everything_is_created_in_an_order_that_can_be_applied() -> None:
    assert words(DECLARED, Topology()) == [
        "create queue 'media'",
        "create queue 'kernel'",
        "create topic exchange 'logs'",
        "create fanout exchange 'rest'",
        "bind 'logs' to queue 'kernel' by 'kern.*'",
    ]
    assert {change.action for change in changes(DECLARED, Topology())} == {"create"}


def test_what_is_there_is_no_change_and_nothing_is_ever_removed() -> None:
    more = Topology(
        (*DECLARED.queues, Queue("other")), (*DECLARED.exchanges, Exchange("x")), (Binding("x", "other"), KERNEL)
    )
    assert changes(DECLARED, DECLARED) == []
    assert changes(DECLARED, more) == []
    assert changes(Topology(), more) == []


def test_an_exchange_of_another_kind_or_alternate_is_a_conflict() -> None:
    present = Topology(exchanges=(Exchange("logs", "fanout"),))
    (change,) = changes(Topology(exchanges=(LOGS,)), present)
    assert change.action == "conflict"
    assert "exchange 'logs'" in change.words
    assert "kind is 'fanout' there and 'topic' here" in change.words
    assert "alternate is '' there and 'rest' here" in change.words


def test_a_binding_that_differs_in_anything_is_another_binding() -> None:
    for other in (
        Binding("logs", "kernel", "kern.#"),
        Binding("logs", "kernel", "kern.*", {"a": "b"}),
        Binding("logs", "kernel", "kern.*", match="any"),
        Binding("logs", "kernel", "kern.*", to_exchange=True),
    ):
        (change,) = changes(Topology(bindings=(other,)), DECLARED)
        assert (change.action, change.what) == ("create", other)


@pytest.mark.parametrize(
    ("binding", "said"),
    [
        (Binding("logs", "kernel"), "'logs' to queue 'kernel'"),
        (Binding("logs", "all", "#", to_exchange=True), "'logs' to exchange 'all' by '#'"),
        (Binding("h", "q", headers={"a": "b"}, match="any"), "'h' to queue 'q' by any of {'a': 'b'}"),
    ],
)
def test_a_binding_in_words(binding: Binding, said: str) -> None:
    assert binding.words() == said


def test_a_queue_that_left_open_what_it_carries_is_told() -> None:
    left_open = msgspec.structs.replace(PRESENT, carries="")
    change = change_for(PRESENT, left_open)
    assert change is not None
    assert (change.action, change.what, change.words) == ("alter", PRESENT, "queue 'media' will carry tasks")


def test_to_say_what_is_carried_does_not_excuse_another_difference() -> None:
    change = change_for(PRESENT, msgspec.structs.replace(PRESENT, carries="", max_length=1))
    assert change is not None
    assert change.action == "conflict"
    assert "max_length is 1 there and 100 here" in change.words
    assert "carries" not in change.words


def test_the_error_of_a_plan_names_every_conflict_and_what_to_do() -> None:
    present = Topology((Queue("media"), Queue("kernel", ttl_s=1)), (Exchange("logs", "direct"),))
    error = conflict(changes(DECLARED, present))
    assert isinstance(error, TopologyConflict)
    for phrase in ("queue 'media'", "queue 'kernel'", "exchange 'logs'", "Declare it alike", "topology plan"):
        assert phrase in str(error)
    assert conflict(changes(DECLARED, Topology())) is None


def test_parts_are_merged_each_thing_once() -> None:
    headers = Binding("h", "q", headers={"a": "1", "b": "2"})
    turned = Binding("h", "q", headers={"b": "2", "a": "1"})
    whole = merged([DECLARED, Topology(bindings=(headers,)), DECLARED, Topology(bindings=(turned,))])
    assert whole == Topology(DECLARED.queues, DECLARED.exchanges, (KERNEL, headers))
    assert merged([]) == Topology()


def test_who_only_names_a_queue_takes_its_arguments_whoever_comes_first() -> None:
    full = Queue("media", "", 10, "block", 5.0, 9)
    for named in (Queue("media"), Queue("media", "tasks")):
        expected = msgspec.structs.replace(full, carries=named.carries)
        for pair in ((named, full), (full, named)):
            assert together("queue", *pair) == expected
            assert merged([Topology((one,)) for one in pair]).queues == (expected,)


def test_three_that_say_a_part_each_are_one() -> None:
    parts = [Queue("media"), Queue("media", "tasks"), Queue("media", "", 10, "block")]
    for order in (parts, parts[::-1], [parts[1], parts[2], parts[0]]):
        assert merged([Topology((one,)) for one in order]).queues == (Queue("media", "tasks", 10, "block"),)


@pytest.mark.parametrize(
    ("first", "second", "phrase"),
    [
        (Queue("media", "tasks"), Queue("media", "messages"), "carries is 'tasks' there and 'messages' here"),
        (Queue("media", "tasks"), Queue("media", "messages", 10), "carries"),
        (Queue("media", "", 10), Queue("media", "", 11), "max_length is 10 there and 11 here"),
        (Queue("media", "", 10), Queue("media", "", None, "", 5.0), "ttl_s is None there and 5.0 here"),
        (Exchange("media", "topic"), Exchange("media", "direct"), "kind is 'topic' there and 'direct' here"),
    ],
)
def test_two_that_differ_are_refused_in_words(first: Queue | Exchange, second: Queue | Exchange, phrase: str) -> None:
    for one, other in ((first, second), (second, first)):
        parts = [Topology((each,)) if isinstance(each, Queue) else Topology((), (each,)) for each in (one, other)]
        with pytest.raises(TopologyConflict, match="'media' is declared twice in this app") as refused:
            merged(parts)
        assert phrase.split(" ", 1)[0] in str(refused.value)
    with pytest.raises(TopologyConflict) as said:
        together("thing", first, second)  # type: ignore[type-var]
    assert phrase in str(said.value)

"""Queues as declared, and what differs."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroad.core.topology import NAME_LENGTH_MAX, Queue, change_for, differences, valid_name
from postroad.errors import InvalidName

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

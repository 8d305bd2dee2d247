"""Ids sort by time, never repeat, and derived ones are the same every time."""

from __future__ import annotations

import random
import uuid

from hypothesis import given
from hypothesis import strategies as st

from postroad.core.ids import derived_id, id_for_key, time_ordered_id

MILLISECONDS = st.integers(0, 2**48 - 1)
COUNTERS = st.integers(0, 2**12 - 1)
ENTROPY = st.integers(0, 2**62 - 1)


@given(MILLISECONDS, COUNTERS, ENTROPY)
def test_an_id_is_a_uuid_of_version_7_with_its_time(milliseconds: int, counter: int, entropy: int) -> None:
    text = time_ordered_id(milliseconds, counter, entropy)
    read = uuid.UUID(text)
    assert str(read) == text
    assert read.version == 7
    assert read.variant == uuid.RFC_4122
    assert read.int >> 80 == milliseconds
    assert read.int & (2**62 - 1) == entropy


@given(st.tuples(MILLISECONDS, COUNTERS), st.tuples(MILLISECONDS, COUNTERS), ENTROPY, ENTROPY)
def test_text_sorts_as_time_then_counter(
    one: tuple[int, int], other: tuple[int, int], entropy: int, other_entropy: int
) -> None:
    if one != other:
        assert (time_ordered_id(*one, entropy) < time_ordered_id(*other, other_entropy)) == (one < other)


@given(st.integers(), st.integers(), st.integers())
def test_numbers_out_of_range_still_make_an_id(milliseconds: int, counter: int, entropy: int) -> None:
    assert uuid.UUID(time_ordered_id(milliseconds, counter, entropy)).version == 7


def test_ids_are_unique() -> None:
    dice = random.Random(1)
    made = {time_ordered_id(1_700_000_000_000, n % 4096, dice.getrandbits(62)) for n in range(50_000)}
    assert len(made) == 50_000


def test_derived_ids_repeat_for_the_same_and_differ_otherwise() -> None:
    parents = [time_ordered_id(n, 0, n) for n in range(50)]
    made = [derived_id(parent, ordinal) for parent in parents for ordinal in range(50)]
    assert len(set(made)) == len(made)
    assert made == [derived_id(parent, ordinal) for parent in parents for ordinal in range(50)]
    assert uuid.UUID(made[0]).version == 5


def test_derived_ids_are_the_same_in_every_version() -> None:
    assert derived_id("p", 1) == "b3fe1269-1807-5b10-818a-76fe37f918df"
    assert id_for_key("scope", "key") == "1e876085-025b-50b5-8d22-21b69d97aa08"


@given(st.text(max_size=5), st.text(max_size=5), st.text(max_size=5), st.text(max_size=5))
def test_scope_and_key_do_not_run_into_each_other(scope: str, key: str, scope2: str, key2: str) -> None:
    if (scope, key) != (scope2, key2) and "\0" not in scope + key + scope2 + key2:
        assert id_for_key(scope, key) != id_for_key(scope2, key2)

"""Images of the start slots: what a survivor reads after a crash."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from postroad.core.slots import FREE, SLOT, SLOT_BYTES, beats, file_bytes, running

WORD = st.integers(0, 2**64 - 1)
ENTRIES = st.lists(st.tuples(WORD, WORD, WORD), max_size=20)


def image(entries: list[tuple[int, int, int]]) -> bytes:
    return b"".join(SLOT.pack(*entry) for entry in entries)


def test_a_file_of_free_slots_runs_nothing() -> None:
    assert file_bytes(3) == 3 * SLOT_BYTES == 72
    assert running(bytes(file_bytes(3))) == running(FREE * 3) == []


@given(ENTRIES)
def test_running_are_the_slots_with_a_message(entries: list[tuple[int, int, int]]) -> None:
    assert running(image(entries)) == [(token, seq) for token, seq, _beat in entries if seq]


@given(ENTRIES, st.binary(max_size=SLOT_BYTES - 1))
def test_a_torn_end_is_left_out(entries: list[tuple[int, int, int]], rest: bytes) -> None:
    assert running(image(entries) + rest) == running(image(entries))
    assert beats(image(entries) + rest) == beats(image(entries))


@given(ENTRIES.filter(bool), st.data())
def test_beats_change_with_every_start_and_end(
    entries: list[tuple[int, int, int]], data: st.DataObject
) -> None:
    before = beats(image(entries))
    index = data.draw(st.integers(0, len(entries) - 1))
    token, seq, beat = entries[index]
    entries[index] = (token, seq, (beat + 1) % 2**64)
    assert beats(image(entries)) != before


def test_the_layout_is_fixed() -> None:
    """A child of one version and its supervisor of another read the same file."""
    assert SLOT.pack(1, 2, 3) == b"".join(n.to_bytes(8, "little") for n in (1, 2, 3))

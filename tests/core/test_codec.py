"""JSON in and out: what round-trips, what is refused and where the culprit lies."""

from __future__ import annotations

import dataclasses
import datetime
import enum
import json
import uuid
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroad.core.codec import checked_headers, decode, decoder, encode
from postroad.core.message import HEADERS_BYTES_MAX
from postroad.errors import MessageError, TooLarge, Undecodable, Unserialisable

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
)
JSON_VALUES = st.recursive(
    SCALARS | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


class Colour(enum.Enum):
    RED = "red"


@dataclasses.dataclass
class Point:
    x: int
    tags: list[str]


class Order(msgspec.Struct):
    id: int
    lines: list[Any]


class Model:
    """Speaks pydantic's protocol, which is all the codec asks of a model."""

    def __init__(self, size: int) -> None:
        self.size = size

    def model_dump(self, mode: str) -> dict[str, int]:
        assert mode == "json"
        return {"size": self.size}

    @classmethod
    def model_validate(cls, value: Any) -> Model:
        if not isinstance(value.get("size"), int):
            raise ValueError("size must be a number")  # noqa: TRY004 - as pydantic's own
        return cls(value["size"])


@given(JSON_VALUES)
def test_json_round_trips_and_is_json(value: Any) -> None:
    body = encode(value, "value")
    assert decode(decoder(Any), body, "value") == value
    assert json.loads(body) == value


@pytest.mark.parametrize(
    "value",
    [
        datetime.datetime(2026, 2, 3, 4, 5, 6, 7, tzinfo=datetime.UTC),
        datetime.date(2026, 2, 3),
        datetime.timedelta(seconds=90),
        Decimal("12.340"),
        uuid.UUID(int=7),
        b"\x00\xff",
        Colour.RED,
        Point(1, ["a"]),
        Order(1, [1, "two"]),
        (1, 2),
        {3, 4},
    ],
    ids=lambda value: type(value).__name__,
)
def test_types_round_trip_by_annotation(value: Any) -> None:
    assert decode(decoder(type(value)), encode(value, "value"), "value") == value


def test_models_round_trip_by_their_own_validation() -> None:
    read = decode(decoder(Model), encode(Model(3), "model"), "model")
    assert isinstance(read, Model)
    assert read.size == 3
    with pytest.raises(Undecodable, match="size must be a number"):
        decode(decoder(Model), b'{"size": "x"}', "model")


@pytest.mark.parametrize(
    ("value", "path", "kind"),
    [
        (object(), "its top", "builtins.object"),
        ([1, [2, object()]], "[1][1]", "builtins.object"),
        ({"a": {"b": lambda: None}}, "['a']['b']", "builtins.function"),
        (Point(1, [object()]), ".tags[0]", "builtins.object"),  # type: ignore[list-item]
        (Order(1, [{"deep": Ellipsis}]), ".lines[0]['deep']", "builtins.ellipsis"),
        ((1, 2, 3 + 4j), "[2]", "builtins.complex"),
        ([1, 10**5000], "[1]", "builtins.int"),
        (["a", "\ud800"], "[1]", "builtins.str"),
        ({"x": {(1, 2): 3}}, "['x']", "builtins.dict"),
    ],
)
def test_the_error_names_the_path_to_the_culprit(value: Any, path: str, kind: str) -> None:
    with pytest.raises(Unserialisable) as refused:
        encode(value, "The arguments")
    assert f"at {path}: {kind} (" in str(refused.value)
    assert str(refused.value).startswith("The arguments has no JSON form")
    assert isinstance(refused.value, MessageError)


def test_what_holds_itself_is_refused_and_ends() -> None:
    ring: list[Any] = []
    ring.append(ring)
    with pytest.raises(Unserialisable):
        encode(ring, "ring")


def test_depth_that_no_encoder_walks_is_refused() -> None:
    value: Any = 1
    for _ in range(100_000):
        value = [value]
    with pytest.raises(Unserialisable):
        encode(value, "deep")


def test_depth_that_no_decoder_walks_is_undecodable() -> None:
    with pytest.raises(Undecodable):
        decode(decoder(Any), b"[" * 100_000 + b"]" * 100_000, "deep")


def test_the_limit_is_in_bytes_and_exact() -> None:
    assert encode("é" * 4, "text", 10) == '"éééé"'.encode()
    with pytest.raises(TooLarge, match="11 bytes, over the limit of 10"):
        encode("x" * 9, "text", 10)


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"nul", b"[1,]", b"1 2", b'"\xed\xa0\x80"'])
def test_broken_json_is_undecodable_with_the_decoders_words(body: bytes) -> None:
    with pytest.raises(Undecodable, match=r"^The body cannot be read: .+"):
        decode(decoder(Any), body, "The body")


@given(st.binary(max_size=40))
def test_no_bytes_break_the_decoder(body: bytes) -> None:
    try:
        value = decode(decoder(Any), body, "body")
    except Undecodable:
        return
    assert json.loads(body) == value


def test_what_does_not_fit_the_annotation_is_undecodable() -> None:
    with pytest.raises(Undecodable, match="Expected `int`, got `str`"):
        decode(decoder(Point), b'{"x": "one", "tags": []}', "body")


def test_headers_are_text_within_a_limit() -> None:
    assert checked_headers({"a": "b"}) == {"a": "b"}
    with pytest.raises(Unserialisable, match="'size' is int"):
        checked_headers({"size": 1})  # type: ignore[dict-item]
    checked_headers({"a": "x" * (HEADERS_BYTES_MAX - 1)})
    with pytest.raises(TooLarge):
        checked_headers({"a": "x" * HEADERS_BYTES_MAX})


def test_the_headers_limit_counts_bytes_not_characters() -> None:
    with pytest.raises(TooLarge):
        checked_headers({"a": "é" * (HEADERS_BYTES_MAX // 2)})


@pytest.mark.parametrize("headers", [{"a": "\ud800"}, {"\ud800": "a"}])
def test_headers_that_are_no_text_on_any_wire_are_refused_at_the_call(headers: dict[str, str]) -> None:
    with pytest.raises(Unserialisable):
        checked_headers(headers)

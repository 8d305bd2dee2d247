"""Arguments: fitted, encoded, decoded."""

from __future__ import annotations

import enum
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroad.errors import ArgumentsDoNotFit, TooLarge, Undecodable, Unserialisable
from postroad.tasks.arguments import Arguments

if TYPE_CHECKING:
    from decimal import Context as OnlyForCheckers


def arguments(function: Callable[..., Any]) -> Arguments:
    return Arguments(function, f"shop.{function.__name__}")


def body(of: Callable[..., Any], *args: Any, **kwargs: Any) -> bytes:
    known = arguments(of)
    return known.encode(known.bind(args, kwargs))


def back(of: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """What the function returns when it is called with what the worker decodes."""
    decoded, named = arguments(of).decode(body(of, *args, **kwargs))
    return of(*decoded, **named)


def resize(path: str, width: int = 100, *, sharp: bool = False) -> tuple[str, int, bool]:
    return path, width, sharp


def only_two(path: str, width: int) -> tuple[str, int]:
    return path, width


def several(first: int, *rest: int, **named: float) -> Any:
    return first, rest, named


def by_position(path: str, /, width: int) -> Any:
    return path, width


@pytest.mark.parametrize(
    ("args", "kwargs", "expected"),
    [
        (("a",), {}, b'[["a"],{}]'),
        (("a", 2), {}, b'[["a",2],{}]'),
        (("a",), {"width": 2}, b'[["a",2],{}]'),
        ((), {"width": 2, "path": "a"}, b'[["a",2],{}]'),
        ((), {"path": "a"}, b'[["a"],{}]'),
        (("a",), {"sharp": True}, b'[["a"],{"sharp":true}]'),
        (("a",), {"sharp": True, "width": 3}, b'[["a",3],{"sharp":true}]'),
    ],
)
def test_arguments_go_by_position_as_far_as_they_can(args: Any, kwargs: Any, expected: bytes) -> None:
    assert body(resize, *args, **kwargs) == expected
    assert back(resize, *args, **kwargs) == resize(*args, **kwargs)


def test_defaults_stay_those_of_the_code_that_runs() -> None:
    decoded, named = arguments(resize).decode(body(resize, "a"))
    assert (decoded, named) == (("a",), {})


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b'[[],{"path":"a","width":3}]', ("a", 3, False)),
        (b'[["a"],{"width":3}]', ("a", 3, False)),
        (b'[["a"],{"sharp":true}]', ("a", 100, True)),
        (b' [ ["a", 3] , {} ] ', ("a", 3, False)),
    ],
)
def test_other_producers_may_name_arguments(raw: bytes, expected: Any) -> None:
    decoded, named = arguments(resize).decode(raw)
    assert resize(*decoded, **named) == expected


@pytest.mark.parametrize("of", [several, by_position])
def test_unusual_signatures(of: Callable[..., Any]) -> None:
    calls: list[tuple[tuple[Any, ...], dict[str, Any]]] = [((1,), {}), ((1, 2, 3), {}), ((1,), {"a": 0.5}), ((1, 2), {"b": 2.0})]
    if of is by_position:
        calls = [(("a", 1), {}), (("a",), {"width": 2})]
    for args, kwargs in calls:
        assert back(of, *args, **kwargs) == of(*args, **kwargs)


def test_arguments_of_a_function_without_any() -> None:
    def nothing() -> str:
        return "done"

    assert back(nothing) == "done"
    with pytest.raises(ArgumentsDoNotFit):
        body(nothing, 1)


@pytest.mark.parametrize(
    ("of", "args", "kwargs", "words"),
    [
        (resize, (), {}, "missing a required argument: 'path'"),
        (resize, ("a", 1, True), {}, "too many positional arguments"),
        (resize, ("a",), {"path": "b"}, "multiple values for argument 'path'"),
        (resize, ("a",), {"wide": 3}, "unexpected keyword argument 'wide'"),
        (by_position, (), {"path": "a", "width": 3}, "'path'"),
        (only_two, ("a",), {}, "missing a required argument: 'width'"),
        (only_two, ("a", "b"), {}, "Argument 'width'"),
        (only_two, (1, 2), {}, "Argument 'path'"),
        (several, (1, "b"), {}, "Argument 'rest'"),
        (several, (1,), {"x": "y"}, "Argument 'x'"),
    ],
)
def test_what_does_not_fit_is_refused_by_the_call(of: Any, args: Any, kwargs: Any, words: str) -> None:
    with pytest.raises(ArgumentsDoNotFit, match=words) as refused:
        body(of, *args, **kwargs)
    assert f"shop.{of.__name__}(" in str(refused.value)


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "should be \\[args, kwargs\\]"),
        (b"{}", "should be"),
        (b"[1,2]", "should be"),
        (b"\xff", "should be"),
        (b'[["a"],{}', "should be"),
        (b'[[],{}]', "missing a required argument: 'path'"),
        (b'[["a",1,2],{}]', "too many positional"),
        (b'[["a"],{"width":"x"}]', "Argument 'width' .*Expected `int`, got `str`"),
        (b'[[1],{}]', "Argument 'path' .*Expected `str`, got `int`"),
        (b'[["a"],{"zoom":1}]', "unexpected keyword argument 'zoom'"),
    ],
)
def test_bodies_that_cannot_be_read(raw: bytes, words: str) -> None:
    with pytest.raises(Undecodable, match=words):
        arguments(resize).decode(raw)


class Colour(enum.Enum):
    RED = "red"


@dataclass
class Point:
    x: int
    y: int


class Size(msgspec.Struct):
    width: int
    unit: Literal["px", "em"] = "px"


class Model:
    """Stands for a pydantic model: its own ways to and from JSON."""

    def __init__(self, name: str) -> None:
        self.name = name

    @classmethod
    def model_validate(cls, value: Any) -> Model:
        return cls(value["name"])

    def model_dump(self, mode: str) -> dict[str, str]:
        return {"name": self.name}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Model) and other.name == self.name

    __hash__ = None  # type: ignore[assignment]


NOW = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)


def typed(
    moment: datetime,
    day: date,
    amount: Decimal,
    id: uuid.UUID,
    raw: bytes,
    colour: Colour,
    point: Point,
    size: Size,
    model: Model,
    models: list[Model],
    numbers: Sequence[int],
    by_number: dict[int, str],
    either: int | None = None,
    length: timedelta | None = None,
) -> Any:
    return list(locals().values())


def test_types_come_back_by_annotation() -> None:
    values = (
        NOW, NOW.date(), Decimal("1.50"), uuid.UUID(int=5), b"\x00\xff", Colour.RED, Point(1, 2), Size(3, "em"), Model("a"),
        [Model("b")], [1, 2], {1: "one"}, None, timedelta(seconds=90),
    )  # fmt: skip
    assert back(typed, *values) == list(values)


class Opaque:
    pass


def loosely(
    any: Any,
    nothing,  # type: ignore[no-untyped-def]
    thing: Opaque,
    things: list[Opaque],
    either: int | Opaque,
    call: Callable[[], None],
    many: Iterable[int],
    unknown: NoSuchName,  # type: ignore[name-defined]  # noqa: F821
    hidden: OnlyForCheckers,
    nullable: int = None,  # type: ignore[assignment]  # noqa: RUF013
) -> Any:
    return list(locals().values())


def test_annotations_that_say_nothing_about_json_let_anything_through() -> None:
    values = ({"a": [1]}, 2, {"b": 3}, [{}], "either", "call", [1], {"x": 1}, None, None)
    assert back(loosely, *values) == list(values)
    with pytest.raises(Unserialisable, match=r"'thing'.*Opaque"):
        body(loosely, *values[:2], Opaque(), *values[3:])
    with pytest.raises(ArgumentsDoNotFit, match="'nullable'"):
        body(loosely, *values[:-1], "text")


def test_a_class_beside_the_function_is_known() -> None:
    class Local(msgspec.Struct):
        name: str

    def greet(who: Local) -> str:
        assert isinstance(who, Local)
        return who.name

    assert back(greet, Local("ada")) == "ada"


def test_the_path_to_what_has_no_json_form() -> None:
    with pytest.raises(Unserialisable, match=r"Argument 'any'.*\['a'\]\[1\]: .*Opaque"):
        body(loosely, {"a": [1, Opaque()]}, *[None] * 8)


def test_the_limit_on_a_body() -> None:
    known = arguments(resize)
    with pytest.raises(TooLarge, match="over the limit of 100"):
        known.encode((("x" * 200,), {}), 100)
    assert len(known.encode((("x" * 50,), {}), 100)) <= 100


def test_the_value_of_a_parameter_in_a_call() -> None:
    known = arguments(resize)
    for args, kwargs, width in [(("a",), {}, 100), (("a", 3), {}, 3), ((), {"path": "a", "width": 4}, 4)]:
        assert known.value("width", known.bind(args, kwargs)) == width  # type: ignore[arg-type]
    assert known.value("sharp", known.bind(("a",), {"sharp": True})) is True


plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(st.lists(plain, max_size=4), st.dictionaries(st.sampled_from("abc"), plain))
def test_any_plain_call_comes_back(args: list[Any], kwargs: dict[str, Any]) -> None:
    def takes_all(*args: Any, **kwargs: Any) -> Any:
        return args, kwargs

    assert back(takes_all, *args, **kwargs) == (tuple(args), kwargs)


@given(st.binary(max_size=60))
def test_no_body_raises_anything_but_undecodable(raw: bytes) -> None:
    try:
        arguments(resize).decode(raw)
    except Undecodable:
        pass

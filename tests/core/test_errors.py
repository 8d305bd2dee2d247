"""The tree drawn at the top of errors.py is the tree."""

from __future__ import annotations

import inspect
import re

import pytest

from postroad import errors
from postroad.errors import NotFound, PostroadError, ResultTimeout, RetryLater, TaskFailed

LINE = re.compile(r"^(?P<indent>[│├└─ ]*)(?P<name>[A-Z]\w+)\b")


def drawn() -> dict[str, str]:
    """The parent of each name in the drawing."""
    parents: dict[str, str] = {}
    path: list[tuple[int, str]] = []
    for line in (errors.__doc__ or "").splitlines():
        match = LINE.match(line)
        if match is None or not (match["indent"] or match["name"] == "PostroadError"):
            continue
        depth = len(match["indent"])
        path = [step for step in path if step[0] < depth]
        parents[match["name"]] = path[-1][1] if path else ""
        path.append((depth, match["name"]))
    return parents


def real() -> dict[str, type[PostroadError]]:
    return {
        name: kind
        for name, kind in vars(errors).items()
        if inspect.isclass(kind) and issubclass(kind, PostroadError)
    }


def test_every_error_is_drawn_and_every_drawn_error_exists() -> None:
    assert set(drawn()) == set(real())
    assert len(drawn()) > 40


# Two stand under a sibling in the drawing's order of reading, but derive from it as well.
@pytest.mark.parametrize("name", sorted(real()))
def test_every_error_is_below_its_parent(name: str) -> None:
    parent = drawn()[name]
    if parent:
        assert issubclass(real()[name], real()[parent])


@pytest.mark.parametrize("name", sorted(real()))
def test_every_error_says_what_it_is(name: str) -> None:
    assert (real()[name].__doc__ or "").strip()


def test_a_not_found_prints_its_words_and_not_their_repr() -> None:
    assert str(NotFound("There is no task 'x'.")) == "There is no task 'x'."
    assert isinstance(NotFound(""), KeyError)
    assert isinstance(ResultTimeout(""), TimeoutError)


def test_errors_carry_their_facts() -> None:
    failed = TaskFailed("boom", error_type="app.Boom", remote_traceback="Traceback …")
    assert (str(failed), failed.error_type, failed.remote_traceback) == ("boom", "app.Boom", "Traceback …")
    assert (RetryLater("5s").after, RetryLater(1, counted=False).counted) == ("5s", False)

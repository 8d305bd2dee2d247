"""Calls that are not made yet."""

from __future__ import annotations

import pytest
from tests.tasks.owner import Shop

from postroad.errors import ArgumentsDoNotFit, NotSupported
from postroad.tasks.canvas import chord, group, step
from postroad.tasks.signature import Signature, Step


def add(a: int, b: int, c: int = 0) -> int:
    return a + b + c


def test_a_complete_call_is_a_signature() -> None:
    shop = Shop()
    task = shop.task(add, "add")
    signature = task.s(1, b=2)
    assert isinstance(signature, Signature)
    first, second = signature.delay(), signature.delay()
    assert first.id != second.id
    assert [send.message.body for send in shop.kept.sends] == [b"[[1,2],{}]"] * 2
    assert repr(signature) == "<Signature add(1, 2)>"


def test_a_call_that_lacks_its_first_argument_is_a_step() -> None:
    task = Shop().task(add, "add")
    assert isinstance(task.s(1), Step)
    assert isinstance(task.step(1), Step)
    assert isinstance(step(task, 1), Step)
    assert isinstance(task.s(1, 2), Signature)
    with pytest.raises(ArgumentsDoNotFit):
        task.s()
    with pytest.raises(ArgumentsDoNotFit):
        task.s(1, 2, 3, 4)
    with pytest.raises(ArgumentsDoNotFit):
        task.si(1)


def test_options_go_with_the_signature() -> None:
    shop = Shop()
    shop.task(add, "add").options(priority=9).s(1, 2).delay()
    assert shop.message.priority == 9


def test_canvas_is_made_but_not_sent() -> None:
    shop = Shop()
    task = shop.task(add, "add")
    chain = task.s(1, 2) | task.s(3) | task.s(4)
    for what, words in [
        (chain, "a chain"),
        (group([task.s(1, 2)]), "group"),
        (chord([task.s(1, 2)], task.s(1)), "chord"),
    ]:
        with pytest.raises(NotSupported, match=f"{words}.*: not built yet"):
            what.delay()
    with pytest.raises(NotSupported, match="not built yet"):
        task.s(1, 2).on_error(task.s(1))
    assert not shop.kept.sends

"""Every blocking verb has a coroutine twin that says and takes the same; and only those have one."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from postroad import App, Exchange, Group, Queue, Received, Result, Router, Signature, Task
from postroad.engine.deadletters import DeadLetters
from postroad.tasks.signature import Chain

VERBS = {
    "delay", "publish", "put", "append", "append_many", "send_many", "publish_many", "put_many", "get", "status", "revoke",
    "wait_all", "depth", "peek", "purge", "redrive", "seek", "lag", "close",
}  # fmt: skip
KINDS = [App, Router, Task, Signature, Chain, Group, Result, Queue, Exchange, Received, DeadLetters]


def public(kind: type) -> dict[str, Any]:
    return {name: member for name, member in inspect.getmembers(kind) if not name.startswith("_") and inspect.isfunction(member)}


PAIRS = [(kind, name) for kind in KINDS for name in public(kind) if name in VERBS]


@pytest.mark.parametrize(("kind", "verb"), PAIRS, ids=lambda part: getattr(part, "__name__", part))
def test_a_verb_and_its_twin(kind: type, verb: str) -> None:
    members = public(kind)
    blocking, twin = members[verb], members[f"a{verb}"]
    assert inspect.iscoroutinefunction(twin)
    assert not inspect.iscoroutinefunction(blocking)
    assert inspect.signature(blocking) == inspect.signature(twin)
    assert blocking.__doc__
    assert blocking.__doc__ == twin.__doc__


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_else_has_a_twin(kind: type) -> None:
    members = public(kind)
    assert {name for name in members if f"a{name}" in members} <= VERBS


def test_the_verbs_that_exist_so_far() -> None:
    assert {verb for _kind, verb in PAIRS} == {
        "delay", "publish", "publish_many", "send_many", "get", "status", "revoke", "wait_all", "close", "put", "put_many", "depth",
        "peek", "purge", "redrive",
    }  # fmt: skip

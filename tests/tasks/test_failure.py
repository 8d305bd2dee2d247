"""The errors that `get` raises."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from postroad.errors import TaskDead, TaskDropped, TaskExpired, TaskFailed, TaskRevoked
from postroad.tasks.documents import StateDocument
from postroad.tasks.failure import RemoteTraceback, error_of


class Refused(Exception):
    def __init__(self, code: int, text: str) -> None:
        super().__init__(code, text)
        self.code = code


class Picky(Exception):
    def __init__(self, *, code: int) -> None:
        super().__init__(code)


class NotAnException:
    def __init__(self, *args: Any) -> None:
        raise AssertionError("a message may not make this")


class Outer:
    class Inner(Exception):
        pass


def document(state: str = "FAILED", error_type: str = "", args: list[Any] | None = None, **more: Any) -> StateDocument:
    return StateDocument(
        "shop.work", "default", state, 1, 1.0, 2.0, 3.0, error="words", error_type=error_type, error_args=args, **more
    )


def test_the_type_comes_back_when_it_is_loaded() -> None:
    error = error_of("id", document(error_type=f"{__name__}.Refused", args=[7, "no"], traceback="File x, line 3"))
    assert isinstance(error, Refused)
    assert (error.code, error.args) == (7, (7, "no"))
    assert isinstance(error.__cause__, RemoteTraceback)
    assert "File x, line 3" in str(error.__cause__)
    assert isinstance(error_of("id", document(error_type="KeyError", args=["k"])), KeyError)
    assert isinstance(error_of("id", document(error_type=f"{__name__}.Outer.Inner", args=[])), Outer.Inner)


@pytest.mark.parametrize(
    ("error_type", "args"),
    [
        ("nowhere.Missing", ["x"]),
        (f"{__name__}.Missing", ["x"]),
        (f"{__name__}.Refused", None),
        (f"{__name__}.Refused", ["too few"]),
        (f"{__name__}.Picky", [3]),
        (f"{__name__}.NotAnException", ["x"]),
        (f"{__name__}.sys.exit", ["x"]),
        ("SystemExit", [3]),
        ("KeyboardInterrupt", []),
        ("eval", ["1"]),
        ("os.system", ["true"]),
        ("", []),
    ],
)
def test_anything_else_is_a_task_failed(error_type: str, args: list[Any] | None) -> None:
    error = error_of("id-1", document(error_type=error_type, args=args, traceback="trace"))
    assert type(error) is TaskFailed
    assert (error.error_type, error.remote_traceback) == (error_type, "trace")
    assert "shop.work id-1 failed" in str(error)


def test_nothing_is_imported_for_a_message() -> None:
    sys.modules.pop("this", None)
    error_of("id", document(error_type="this.d", args=[]))
    assert "this" not in sys.modules


@pytest.mark.parametrize(
    ("state", "kind", "words"),
    [
        ("DEAD", TaskDead, "too often"),
        ("REVOKED", TaskRevoked, "cancelled: too often"),
        ("EXPIRED", TaskExpired, "not started before it expired"),
        ("DROPPED", TaskDropped, "dropped: too often"),
    ],
)
def test_other_ends_have_errors_of_their_own(state: str, kind: type[Exception], words: str) -> None:
    error = error_of("id", document(state, "builtins.ValueError", ["x"], reason="too often"))
    assert type(error) is kind
    assert words in str(error)

"""A task as the engine runs it: what remains of each ending."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from postroad.core.delivery import Attempt, Delivery
from postroad.core.message import Message
from postroad.core.writes import Put
from postroad.engine.handler import Ending
from postroad.errors import TooLarge, Unserialisable
from postroad.tasks.arguments import Arguments
from postroad.tasks.documents import DECODE_STATE
from postroad.tasks.handler import TaskHandler, scalar_args
from postroad.tasks.options import TaskOptions, policy_of


def work(number: int) -> int:
    return number


DELIVERY = Delivery(Message("id-1", b"[[1],{}]", queued_at=5.0), "default", (1, 1), attempt=2)


def handler(limit: int = 1000, **options: Any) -> TaskHandler:
    return TaskHandler("shop.work", work, "thread", Arguments(work, "shop.work"), policy_of(TaskOptions(**options)), limit)


def ending(state: str, **more: Any) -> Ending:
    return Ending(state, 10.0, 12.5, worker="w1", **more)


def put(write: Any) -> Put:
    assert isinstance(write, Put)
    return write


def test_success() -> None:
    (write,) = handler(keep_result="1h").writes(DELIVERY, ending("SUCCEEDED", value={"a": [1]}))
    kept = put(write)
    assert (kept.kind, kept.key, kept.tag, kept.expires_at) == ("task", "id-1", "SUCCEEDED", 3612.5)
    assert msgspec.json.decode(kept.value) == {
        "task": "shop.work", "queue": "default", "state": "SUCCEEDED", "attempt": 2, "queued_at": 5.0, "started_at": 10.0,
        "finished_at": 12.5, "worker": "w1", "result": {"a": [1]},
    }  # fmt: skip


@pytest.mark.parametrize("state", ["FAILED", "DEAD", "REVOKED", "EXPIRED", "DROPPED"])
def test_other_ends(state: str) -> None:
    record = Attempt("error", "builtins.ValueError", "no", "Traceback…")
    (write,) = handler().writes(DELIVERY, ending(state, error=ValueError("no", 3), attempt=record, reason="because"))
    document = DECODE_STATE(put(write).value)
    assert put(write).tag == document.state == state
    assert (document.error_type, document.error, document.error_args) == ("builtins.ValueError", "no", ["no", 3])
    assert (document.traceback, document.reason) == ("Traceback…", "because")


def test_nothing_remains_of_a_retry() -> None:
    assert handler().writes(DELIVERY, ending("RETRYING", error=ValueError("x"))) == ()


def test_without_results_only_a_drop_remains() -> None:
    silent = handler(keep_result=None)
    assert silent.writes(DELIVERY, ending("SUCCEEDED", value=object())) == (), "the value is not even encoded"
    assert silent.writes(DELIVERY, ending("FAILED", error=ValueError("x"))) == ()
    (write,) = silent.writes(DELIVERY, ending("DROPPED", reason="why"))
    assert put(write).expires_at == 12.5 + 86400


def test_results_that_cannot_be_kept() -> None:
    with pytest.raises(Unserialisable, match=r"result of shop.work .* at \['a'\]"):
        handler().writes(DELIVERY, ending("SUCCEEDED", value={"a": object()}))
    with pytest.raises(TooLarge, match=r"result of shop\.work has 2,002 bytes, over the limit of 1,000"):
        handler().writes(DELIVERY, ending("SUCCEEDED", value="x" * 2000))


def test_decode() -> None:
    assert handler().decode(DELIVERY.message) == ((1,), {})


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ValueError("a", 1, None, True, 0.5), ["a", 1, None, True, 0.5]),
        (ValueError(), []),
        (ValueError(["a"]), None),
        (ValueError("\ud800"), None),
        (ValueError(10**40), [10**40]),
        (None, None),
    ],
)
def test_arguments_of_errors_are_kept_when_they_are_scalars(error: Exception | None, expected: Any) -> None:
    assert scalar_args(error) == expected

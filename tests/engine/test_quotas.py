"""Most held by queue: prefetch below the credit, batches beyond it."""

from __future__ import annotations

from postroad.core.delivery import Delivery
from postroad.core.message import Message
from postroad.engine.quotas import Quotas


def held(*sources: str) -> list[Delivery]:
    return [Delivery(Message(f"{index}", b"1"), source, (1, index)) for index, source in enumerate(sources)]


def test_without_any_there_is_nothing_to_limit() -> None:
    assert not Quotas(["a"], {}, {})


def test_a_prefetch_limits_its_queue_alone() -> None:
    quotas = Quotas(["a", "b"], {"a": 2}, {})
    assert quotas.limits(10) == {"a": 2}
    quotas.took(held("a", "b", "b"))
    assert quotas.limits(10) == {"a": 1}
    assert quotas.limits(0) == {"a": 0}
    quotas.took(held("a"))
    assert quotas.limits(10) == {"a": 0}
    quotas.gave("a")
    assert quotas.limits(10) == {"a": 1}


def test_batches_may_go_beyond_the_credit_and_others_may_not() -> None:
    quotas = Quotas(["slow", "rows"], {}, {"rows": 500})
    assert quotas.limits(3) == {"slow": 3, "rows": 1000}
    quotas.took(held(*["rows"] * 600))
    assert quotas.held_beyond == 600
    assert quotas.limits(0) == {"slow": 0, "rows": 400}


def test_a_prefetch_beside_a_batch_is_believed() -> None:
    quotas = Quotas(["rows"], {"rows": 10}, {"rows": 500})
    assert quotas.limits(100) == {"rows": 10}
    assert quotas.held_beyond == 0

"""What may be said of a subscription."""

from __future__ import annotations

from typing import Any

import msgspec

from postroad.core.durations import Duration, seconds
from postroad.core.retry import Retry
from postroad.engine.checks import ORDERS, Routes, check_choice, checked_count, checked_retry, checked_routes
from postroad.engine.handler import Batch
from postroad.errors import InvalidOption, NotSupported

ACKS = ("late", "early")
STARTS = ("new", "earliest")


class SubscribeOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The options of ``@app.subscribe``, checked. Raises InvalidOption, and NotSupported for ``start="earliest"``."""

    order: str = "wait"
    retry: Retry | None = None
    on_error: Routes | None = None
    batch: int | None = None
    batch_wait: Duration = 0.1
    start: str = "new"
    broadcast: bool = False
    prefetch: int | None = None
    max_deliveries: int = 5
    executor: str | None = None
    ack: str = "late"

    def __post_init__(self) -> None:
        check_choice("order", self.order, ORDERS)
        check_choice("ack", self.ack, ACKS)
        check_choice("start", self.start, STARTS)
        checked_count("max_deliveries", self.max_deliveries)
        checked_retry(self.retry)
        checked_routes(self.on_error or {})
        seconds(self.batch_wait, "batch_wait")
        for name, value in (("prefetch", self.prefetch), ("batch", self.batch)):
            if value is not None:
                checked_count(name, value)
        self.check_together()

    def check_together(self) -> None:
        if self.batch is not None and self.executor == "process":
            raise NotSupported(
                'batch= with executor="process": not built yet. Take events one by one there, or lists in a thread.'
            )
        if self.start == "earliest":
            raise NotSupported(
                'start="earliest": this engine keeps events only for groups that are there when they are published. Declare the '
                "group before (`postroad topology apply`, or a worker's start); nothing published after that is missed."
            )
        if self.prefetch is not None and self.prefetch < (self.batch or 0):
            raise InvalidOption(
                f"prefetch={self.prefetch}, batch={self.batch}: a batch could never be full. Leave prefetch out."
            )
        if self.ack == "early" and (self.retry is not None or self.on_error):
            raise InvalidOption(
                'ack="early": the event has left before its handler runs, so nothing can be retried or routed. Leave retry= and '
                'on_error= out, or use ack="late".'
            )

    @property
    def gathering(self) -> Batch | None:
        """How events gather for one call; None: one by one."""
        return None if self.batch is None else Batch(self.batch, seconds(self.batch_wait, "batch_wait"))


def own_place(function: Any) -> tuple[str, int]:
    """Where a function is written: the same again after its module was reloaded."""
    code = getattr(function, "__code__", None)
    return (code.co_filename, code.co_firstlineno) if code is not None else (repr(function), 0)

"""What may be said of a task when it is declared."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from postroad.core.durations import Duration, optional_seconds
from postroad.core.message import PRIORITY_DEFAULT
from postroad.core.retry import ErrorRoutes, Retry
from postroad.core.topology import valid_name
from postroad.engine.checks import (
    ORDERS,
    Routes,
    check_choice,
    checked_count,
    checked_priority,
    checked_retry,
    checked_routes,
)
from postroad.errors import NotSupported

EXECUTORS = ("thread", "coroutine", "process")
NOT_BUILT = ("soft_time_limit", "time_limit", "rate_limit", "max_concurrency", "concurrency_key", "unique")

Key = str | Callable[..., Any]


class TaskOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Options of ``@app.task(...)``, and of ``App(task_defaults=TaskOptions(...))``; what is left out keeps its default.

    ``queue``: where its messages wait ("default"). ``executor``: "thread" (def), "coroutine" (async def) or "process".
    ``retry``: None for none. ``on_error``: exception type to Drop, DeadLetter, RetryLater or Retry; the first match wins.
    ``priority``: 0-9, higher is sooner (4). ``expires``: not started after this long, never. ``key``: the name of a
    parameter, or a function of the arguments: messages of one key are handled one at a time, in order.
    ``order``: "wait" (a failing one holds up its key while it retries) or "skip". ``keep_result``: how long state and
    result can be asked for ("1d"), None: not at all. ``max_deliveries``: starts that may end in a crash (5).
    Durations are seconds, timedelta or "90s" "5m" "7d". Not built yet, and refused: soft_time_limit, time_limit,
    rate_limit, max_concurrency, concurrency_key, unique.
    """

    queue: str | UnsetType = UNSET
    executor: str | UnsetType | None = UNSET
    retry: Retry | UnsetType | None = UNSET
    on_error: Routes | UnsetType | None = UNSET
    soft_time_limit: Duration | None = None
    time_limit: Duration | None = None
    rate_limit: str | None = None
    max_concurrency: int | None = None
    concurrency_key: Key | None = None
    priority: int | UnsetType = UNSET
    expires: Duration | UnsetType | None = UNSET
    key: Key | UnsetType | None = UNSET
    order: str | UnsetType = UNSET
    unique: Duration | None = None
    keep_result: Duration | UnsetType | None = UNSET
    max_deliveries: int | UnsetType = UNSET

    def __post_init__(self) -> None:
        for name in NOT_BUILT:
            if getattr(self, name) is not None:
                raise NotSupported(f"{name}: not built yet")
        check_choice("executor", self.executor or UNSET, EXECUTORS)
        check_choice("order", self.order, ORDERS)
        policy_of(self)

    def over(self, defaults: TaskOptions) -> TaskOptions:
        """These options, and the defaults where nothing is said."""
        said = {name: value for name in self.__struct_fields__ if (value := getattr(self, name)) is not UNSET}
        return msgspec.structs.replace(defaults, **said)


class Policy(msgspec.Struct, frozen=True):
    """Options, resolved: units in the names, nothing unsaid."""

    queue: str
    retry: Retry | None
    routes: ErrorRoutes
    priority: int
    expires_s: float | None
    key: Key | None
    order_skip: bool
    keep_s: float | None
    max_deliveries: int


def policy_of(options: TaskOptions) -> Policy:
    """Raises InvalidOption or InvalidName."""
    return Policy(
        queue=valid_name(said(options.queue, "default")),
        retry=checked_retry(said(options.retry, None)),
        routes=checked_routes(said(options.on_error, None) or {}),
        priority=checked_priority(said(options.priority, PRIORITY_DEFAULT)),
        expires_s=optional_seconds(said(options.expires, None), "expires"),
        key=said(options.key, None),
        order_skip=said(options.order, "wait") == "skip",
        keep_s=optional_seconds(said(options.keep_result, "1d"), "keep_result"),
        max_deliveries=checked_count("max_deliveries", said(options.max_deliveries, 5)),
    )


def said(value: Any, otherwise: Any) -> Any:
    return otherwise if value is UNSET else value

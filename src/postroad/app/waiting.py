"""Waiting for several tasks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from postroad.core.durations import Duration, optional_seconds
from postroad.errors import GroupFailed
from postroad.tasks.documents import StateDocument
from postroad.tasks.result import Result, may_wait, unfinished
from postroad.tasks.route import Route
from postroad.tasks.watch import documents

R = TypeVar("R")


def may_wait_for(results: Sequence[Result[Any]], timeout: Duration | None, in_handler: bool) -> bool:
    """As `may_wait`, for all of them. Raises ResultsDisabled, WouldDeadlock."""
    for result in results:
        result.check_kept("wait_all()")
    verdicts = [may_wait(result.id, timeout, in_handler) for result in results]
    return all(verdicts)


async def ends(route: Route, results: Sequence[Result[Any]], timeout: Duration | None, waits: bool) -> dict[str, StateDocument]:
    """How all of them ended. On the portal's loop."""
    ids = [result.id for result in results]
    if waits:
        return await route.watch.ended(ids, optional_seconds(timeout, "timeout"))
    found = await documents(await route.memory(), ids)
    for id in ids:
        if id not in found:
            raise unfinished(id)
    return found


def values(results: Sequence[Result[R]], ended: dict[str, StateDocument]) -> list[R]:
    """Their values, in order. Raises GroupFailed."""
    found: list[R] = []
    errors: list[Exception] = []
    for result in results:
        try:
            found.append(result.value(ended[result.id]))
        except Exception as error:
            errors.append(error)
    if errors:
        raise GroupFailed(f"{len(errors):,} of {len(results):,} tasks failed", errors)
    return found

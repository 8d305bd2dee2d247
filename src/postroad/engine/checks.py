"""Options and values that tasks, queues and events all take, checked where they are written."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from datetime import datetime, tzinfo
from typing import Any

from msgspec import UNSET, UnsetType

from postroad.core.codec import checked_headers
from postroad.core.message import KEY_LENGTH_MAX, PRIORITY_MAX
from postroad.core.retry import ErrorRoutes, Retry
from postroad.errors import ConfigurationError, HandlerSignal, InvalidOption

ID_LENGTH_MAX = 200
ORDERS = ("wait", "skip")

Routes = Mapping[type[BaseException], HandlerSignal | Retry]
"""``on_error=``: what becomes of a delivery, by the type of the error."""


def check_choice(option: str, value: str | UnsetType, allowed: tuple[str, ...]) -> None:
    if value is not UNSET and value not in allowed:
        raise InvalidOption(f"{option}={value!r}: write one of {', '.join(map(repr, allowed))}.")


def checked_priority(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= PRIORITY_MAX:
        raise InvalidOption(f"priority={value!r}: write a whole number from 0 to {PRIORITY_MAX}, higher is sooner.")
    return value


def checked_count(option: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InvalidOption(f"{option}={value!r}: write a whole number, 1 or more.")
    return value


def checked_retry(value: Any) -> Retry | None:
    if value is not None and not isinstance(value, Retry):
        raise InvalidOption(f"retry={value!r}: write retry=Retry(max=3), or None for no retries.")
    return value


def checked_routes(routes: Any) -> ErrorRoutes:
    for kind, route in dict(routes).items():
        if not (isinstance(kind, type) and issubclass(kind, BaseException)):
            raise InvalidOption(f"on_error={{{kind!r}: ...}}: the left side is an exception type.")
        if not isinstance(route, HandlerSignal | Retry):
            raise InvalidOption(
                f"on_error={{{kind.__name__}: {route!r}}}: the right side is Drop(), DeadLetter(...), RetryLater(...) or Retry(...)."
            )
    return dict(routes)


def user_headers(headers: Mapping[str, str] | None) -> dict[str, str]:
    """Raises InvalidOption for names that are the engine's own."""
    checked = checked_headers(headers or {})
    for name in checked:
        if name.lower().startswith("postroad-"):
            raise InvalidOption(f"headers={{{name!r}: ...}}: names that begin with postroad- are the engine's own.")
    return checked


def checked_id(id: Any) -> str | None:
    """The sender's own id of a message; None for none."""
    if id is not None and (not isinstance(id, str) or not id or len(id) > ID_LENGTH_MAX or not id.isprintable()):
        raise InvalidOption(f"id={id!r}: write 1 to {ID_LENGTH_MAX} printable characters.")
    checked: str | None = id
    return checked


def checked_key(value: Any) -> str | None:
    """None is no key: unordered."""
    if value is None:
        return None
    text = str(value)
    if len(text) > KEY_LENGTH_MAX:
        raise InvalidOption(f"key={text[:40]!r}…: it has {len(text):,} characters, over the limit of {KEY_LENGTH_MAX}: use a hash of it.")
    return text


def timestamp(moment: datetime, zone: tzinfo) -> float:
    """Wall-clock seconds; a datetime without a zone is in the app's."""
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=zone)).timestamp()


def executor_of(function: Callable[..., Any], given: Any, name: str) -> str:
    """Where it runs. Raises ConfigurationError for what is no plain or coroutine function, InvalidOption for a mismatch."""
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise ConfigurationError(f"{name} is a generator function, which a handler cannot be: return a list, or send a message an item.")
    is_async = inspect.iscoroutinefunction(function)
    natural = "coroutine" if is_async else "thread"
    chosen = given if isinstance(given, str) else natural
    if is_async != (chosen == "coroutine"):
        written = "async def" if is_async else "def"
        raise InvalidOption(
            f"executor={chosen!r} cannot run {name}, which is written with {written}: it runs as {natural!r}"
            + ("." if is_async else ' or "process".')
        )
    return chosen

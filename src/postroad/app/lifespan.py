"""What a worker's child opens before it runs handlers, and closes after: ``current.state``."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager
from typing import Any

from postroad.errors import ConfigurationError

Manager = AbstractContextManager[Any] | AbstractAsyncContextManager[Any]
Lifespan = Callable[..., Manager]


@asynccontextmanager
async def opened(lifespan: Lifespan | None, app: Any) -> AsyncIterator[Any]:
    """Enter it; what it yields. ``lifespan`` is called with the app if it takes an argument."""
    if lifespan is None:
        yield None
        return
    manager = lifespan(app) if takes_argument(lifespan) else lifespan()
    if isinstance(manager, AbstractAsyncContextManager):
        async with manager as state:
            yield state
    elif isinstance(manager, AbstractContextManager):
        with manager as state:
            yield state
    else:
        raise ConfigurationError(
            f"lifespan={lifespan!r} answered {type(manager).__name__}, which is no context manager: decorate it with "
            "@contextlib.contextmanager or @contextlib.asynccontextmanager."
        )


def takes_argument(lifespan: Lifespan) -> bool:
    try:
        parameters = inspect.signature(lifespan).parameters.values()
    except (TypeError, ValueError):
        return False
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return any(one.kind in kinds and one.default is one.empty for one in parameters)

"""What a command's exit code says, and which error leads to which."""

from __future__ import annotations

from postroad.errors import (
    ConfigurationError,
    EngineError,
    NotFound,
    NotSupported,
    ResultTimeout,
    UsageError,
)

OK = 0
FAILED = 1
USAGE = 2
PARTIAL = 3
NOT_FOUND = 5
UNREACHABLE = 6
TIMEOUT = 7
INTERRUPTED = 130

CODES: tuple[tuple[type[BaseException], int], ...] = (
    (NotFound, NOT_FOUND),
    (EngineError, UNREACHABLE),
    (ResultTimeout, TIMEOUT),
    (ConfigurationError, USAGE),
    (NotSupported, USAGE),
    (UsageError, USAGE),
)


def code_for(error: BaseException) -> int:
    """The first that fits; 1 for every other error."""
    return next((code for kind, code in CODES if isinstance(error, kind)), FAILED)


def of_found(asked: int, found: int) -> int:
    """For commands on several things: all, some or none of them were there."""
    if found >= asked:
        return OK
    return PARTIAL if found else NOT_FOUND

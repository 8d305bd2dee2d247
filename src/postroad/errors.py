"""Every error Postroad raises, in one tree.

PostroadError
├── ConfigurationError          what was written before anything ran is wrong
│   ├── InvalidURL
│   ├── InvalidOption
│   ├── InvalidName
│   ├── InvalidPattern          a topic pattern that could never match what it seems to
│   ├── MissingExtra
│   ├── TopologyConflict        two declarations of one queue or exchange differ
│   ├── QueueExclusive          another process takes from this exclusive queue
│   └── SentAtImport            a send while modules are being discovered
├── NotSupported                the engine cannot keep that promise, or the feature is not built yet
├── UsageError                  a call in the wrong place
│   ├── BlockingCallOnLoop
│   ├── NoCurrentTask
│   ├── HandlerEnded
│   ├── WouldDeadlock
│   ├── TooManySends
│   └── Closed
├── MessageError                this message cannot be sent or read
│   ├── ArgumentsDoNotFit
│   ├── Unserialisable
│   ├── TooLarge
│   ├── Undecodable
│   └── BatchError              raised by a batch handler: these of the batch failed, the others did not
├── EngineError                 the engine, its file or its server is in trouble
│   ├── EngineUnavailable
│   ├── NotADatabase
│   ├── NewerSchema
│   ├── ReadOnlyEngine
│   ├── EngineFull
│   ├── CorruptEngine
│   ├── NetworkFileSystem
│   └── SecondSQLite
├── DeliveryLost                the lease went to somebody else: the settlement was refused
├── SendRefused                 the engine refused one message
│   ├── QueueFull
│   └── Unroutable
├── ResultError
│   ├── NotFound
│   ├── ResultsDisabled
│   ├── ResultTimeout           (also a TimeoutError)
│   ├── QueueEmpty              (also a TimeoutError) nothing came in time
│   ├── TaskFailed              the task raised an error whose own type cannot be rebuilt here
│   ├── TaskDead                it ended as a dead letter
│   ├── TaskRevoked
│   ├── TaskExpired
│   ├── TaskDropped
│   └── GroupFailed             (also an ExceptionGroup) some of several tasks failed
└── HandlerSignal               raised by handlers to say what becomes of the delivery
    ├── RetryLater
    ├── DeadLetter
    └── Drop

A message says what happened, why, and what to do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta


class PostroadError(Exception):
    """The root of the tree."""


class ConfigurationError(PostroadError):
    """What was written before anything ran is wrong."""


class InvalidURL(ConfigurationError):
    """An engine URL that cannot be read, or whose scheme is not known."""


class InvalidOption(ConfigurationError):
    """An option's value is outside what it may be."""


class InvalidName(ConfigurationError):
    """A name that cannot be used: a task in ``__main__``, a queue with control characters."""


class InvalidPattern(ConfigurationError):
    """A topic pattern with a wildcard inside a word, or with an empty word."""


class MissingExtra(ConfigurationError):
    """The engine exists but its client library is not installed."""


class TopologyConflict(ConfigurationError):
    """A queue or an exchange is declared twice with different arguments."""


class QueueExclusive(ConfigurationError):
    """An exclusive queue is taken from by another process."""


class SentAtImport(ConfigurationError):
    """A message was sent while the application's modules were being imported."""


class NotSupported(PostroadError):
    """The engine cannot do this, or it is not built yet. The message says what to use."""


class UsageError(PostroadError):
    """A call in a place where it cannot work."""


class BlockingCallOnLoop(UsageError):
    """A blocking verb was called on the thread of a running event loop."""


class NoCurrentTask(UsageError):
    """``current`` was used outside a handler."""


class HandlerEnded(UsageError):
    """Something was sent through a handler's buffer after the handler had ended."""


class WouldDeadlock(UsageError):
    """A handler waits for what leaves only when the handler ends."""


class TooManySends(UsageError):
    """A handler sent more than one transaction may carry."""


class Closed(UsageError):
    """The application or its engine was closed."""


class MessageError(PostroadError):
    """This message cannot be sent, or cannot be read."""


class ArgumentsDoNotFit(MessageError, TypeError):
    """The arguments do not fit the task's signature."""


class Unserialisable(MessageError, TypeError):
    """A value has no JSON form; the message names the path to it."""


class TooLarge(MessageError, ValueError):
    """A body, a result or the headers are over the limit."""


class Undecodable(MessageError, ValueError):
    """A body is not what its handler's annotations say."""


class BatchError(MessageError):
    """Raised by a batch handler: ``errors`` by index in the batch; those not named have succeeded."""

    def __init__(self, errors: Mapping[int, BaseException]) -> None:
        super().__init__(f"{len(errors)} of the batch failed: {', '.join(f'[{at}] {error}' for at, error in errors.items())}"[:2000])
        self.errors = dict(errors)


class EngineError(PostroadError):
    """The engine, its file or its server is in trouble."""


class EngineUnavailable(EngineError):
    """The engine cannot be reached or opened now."""


class NotADatabase(EngineError):
    """The file exists and is no SQLite database, or is another program's."""


class NewerSchema(EngineError):
    """The file was written by a newer Postroad."""


class ReadOnlyEngine(EngineError):
    """The file or its folder cannot be written."""


class EngineFull(EngineError):
    """The disk is full; nothing of the refused operation was kept."""


class CorruptEngine(EngineError):
    """SQLite reports damaged pages."""


class NetworkFileSystem(EngineError):
    """The file lies on a network file system, where locks do not hold."""


class SecondSQLite(EngineError):
    """Another copy of SQLite has the engine's file open in this process."""


class DeliveryLost(PostroadError):
    """The delivery is no longer held: what was to be settled, written or sent was refused."""


class SendRefused(PostroadError):
    """The engine refused a message; nothing of it was kept."""


class QueueFull(SendRefused):
    """The queue's ``max_length`` is reached and it rejects."""


class Unroutable(SendRefused):
    """No queue takes the message."""


class ResultError(PostroadError):
    """A result cannot be had."""


class NotFound(ResultError, KeyError):
    """No such id: never accepted, or its retention has ended."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else "not found"


class ResultsDisabled(ResultError):
    """The task keeps no result (``keep_result=None``)."""


class ResultTimeout(ResultError, TimeoutError):
    """The result did not come in time; the task goes on."""


class QueueEmpty(ResultError, TimeoutError):
    """No message came within the time given to ``receive``."""


class TaskFailed(ResultError):
    """The task's own error; ``error_type`` and ``remote_traceback`` say which and where."""

    def __init__(self, message: str, *, error_type: str = "", remote_traceback: str = "") -> None:
        super().__init__(message)
        self.error_type = error_type
        self.remote_traceback = remote_traceback


class TaskDead(TaskFailed):
    """The task ended as a dead letter without an error of its own (crashes, unknown name, bad body)."""


class TaskRevoked(ResultError):
    """The task was cancelled."""


class TaskExpired(ResultError):
    """The task was not started before it expired."""


class TaskDropped(ResultError):
    """The task was dropped by its handler or its error policy."""


class GroupFailed(ResultError, ExceptionGroup[Exception]):
    """Some of the tasks waited for failed: ``exceptions`` are their errors, in order."""

    def derive(self, excs: Sequence[Exception]) -> GroupFailed:  # type: ignore[override]
        """The same with fewer errors, for ``split`` and ``except*``."""
        return GroupFailed(self.message, excs)


class HandlerSignal(PostroadError):
    """Raised by a handler, or given in ``on_error``, to say what becomes of the delivery."""


class RetryLater(HandlerSignal):
    """Run again after ``after`` (seconds, timedelta or "90s"); uses up a retry unless ``counted=False``."""

    def __init__(self, after: float | timedelta | str = 0, *, counted: bool = True) -> None:
        super().__init__(f"retry after {after}")
        self.after = after
        self.counted = counted


class DeadLetter(HandlerSignal):
    """End as a dead letter with this reason."""

    def __init__(self, reason: str = "dead-lettered by its handler") -> None:
        super().__init__(reason)
        self.reason = reason


class Drop(HandlerSignal):
    """End here; a record with this reason remains."""

    def __init__(self, reason: str = "dropped by its handler") -> None:
        super().__init__(reason)
        self.reason = reason

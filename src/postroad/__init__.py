"""Tasks, events and streams under one delivery contract.

Public names are here, and in `postroad.errors`. Each is imported when it is first used, so that ``import postroad`` and
the command line start at once.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from postroad.app import hosting as _hosting

if TYPE_CHECKING:
    from postroad import errors
    from postroad.app.app import App
    from postroad.app.middleware import Middleware
    from postroad.app.router import Router
    from postroad.core.delivery import Delivery
    from postroad.core.message import Message, Send
    from postroad.core.retry import Retry
    from postroad.errors import BatchError, DeadLetter, Drop, NotSupported, PostroadError, RetryLater
    from postroad.events.cloudevent import CloudEvent
    from postroad.events.event import Event
    from postroad.ports.driver import DeadLetterRecord
    from postroad.queues.exchange import MessageExchange as Exchange
    from postroad.queues.queue import MessageQueue as Queue
    from postroad.queues.received import Received
    from postroad.tasks.canvas import Group, chord, group, step
    from postroad.tasks.current import current
    from postroad.tasks.documents import Progress
    from postroad.tasks.options import TaskOptions
    from postroad.tasks.result import Result
    from postroad.tasks.signature import Signature, Step
    from postroad.tasks.status import TaskStatus
    from postroad.tasks.task import Task

__version__ = "0.1.0"

__all__ = [
    "App",
    "Router",
    "TaskOptions",
    "Retry",
    "Middleware",
    "Task",
    "Result",
    "TaskStatus",
    "Progress",
    "Signature",
    "Step",
    "Group",
    "group",
    "chord",
    "step",
    "current",
    "RetryLater",
    "DeadLetter",
    "Drop",
    "BatchError",
    "Event",
    "CloudEvent",
    "Queue",
    "Exchange",
    "Received",
    "DeadLetterRecord",
    "Message",
    "Send",
    "Delivery",
    "PostroadError",
    "NotSupported",
    "errors",
    "__version__",
]

_PLACES = {
    "App": "app.app",
    "Router": "app.router",
    "Middleware": "app.middleware",
    "TaskOptions": "tasks.options",
    "Retry": "core.retry",
    "Task": "tasks.task",
    "Result": "tasks.result",
    "TaskStatus": "tasks.status",
    "Progress": "tasks.documents",
    "Signature": "tasks.signature",
    "Step": "tasks.signature",
    "Group": "tasks.canvas",
    "group": "tasks.canvas",
    "chord": "tasks.canvas",
    "step": "tasks.canvas",
    "current": "tasks.current",
    "RetryLater": "errors",
    "DeadLetter": "errors",
    "Drop": "errors",
    "PostroadError": "errors",
    "NotSupported": "errors",
    "BatchError": "errors",
    "Event": "events.event",
    "CloudEvent": "events.cloudevent",
    "DeadLetterRecord": "ports.driver",
    "Message": "core.message",
    "Send": "core.message",
    "Delivery": "core.delivery",
}

_RENAMED = {
    "Queue": ("queues.queue", "MessageQueue"),
    "Exchange": ("queues.exchange", "MessageExchange"),
    "Received": ("queues.received", "Received"),
}

_NOT_BUILT = ("PendingPosition", "Position", "Record")


def __getattr__(name: str) -> Any:
    place = _PLACES.get(name)
    if place is not None:
        value = getattr(importlib.import_module(f"postroad.{place}"), name)
    elif name in _RENAMED:
        module, own = _RENAMED[name]
        value = getattr(importlib.import_module(f"postroad.{module}"), own)
    elif name == "errors":
        value = importlib.import_module("postroad.errors")
    elif name in _NOT_BUILT:
        raise importlib.import_module("postroad.errors").NotSupported(f"postroad.{name}: not built yet")
    else:
        raise AttributeError(f"module 'postroad' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _worker(app: Any, **options: Any) -> Any:
    from postroad.worker.embedded import EmbeddedWorker

    return EmbeddedWorker(app, **options)


def _inspect(app: Any) -> Any:
    from postroad.observe.sync import SyncInspection

    return SyncInspection(app)


def _testing(app: Any) -> Any:
    from postroad.testing.harness import testing

    return testing(app)


_hosting.install(worker=_worker, inspect=_inspect, testing=_testing)

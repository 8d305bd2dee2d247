"""Declarations for modules that must not import the app."""

from __future__ import annotations

from typing import Any

from postroad.app.declaring import DeclaresTasks
from postroad.app.declaring_events import DeclaresEvents
from postroad.app.declaring_queues import DeclaresQueues
from postroad.app.parts import P, Parts
from postroad.tasks.task import Task


class Router(DeclaresTasks, DeclaresQueues, DeclaresEvents):
    """Declare on it what you would on the app; ``app.include(router)`` takes it in.

    Its tasks are sent through the app that included it last.
    """

    def __init__(self) -> None:
        self.tasks: list[Task[..., Any, Any]] = []
        self.parts = Parts()

    def declare(self, part: P) -> P:
        """Keep it for the app."""
        return self.parts.add(part)

    def adopt(self, task: Task[..., Any, Any]) -> None:
        """Keep it for the app."""
        self.tasks.append(task)

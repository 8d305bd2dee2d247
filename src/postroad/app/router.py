"""Declarations for modules that must not import the app."""

from __future__ import annotations

from typing import Any

from postroad.app.declaring import DeclaresTasks
from postroad.tasks.task import Task


class Router(DeclaresTasks):
    """Declare on it what you would on the app; ``app.include(router)`` takes it in.

    Its tasks are sent through the app that included it last.
    """

    def __init__(self) -> None:
        self.tasks: list[Task[..., Any, Any]] = []

    def adopt(self, task: Task[..., Any, Any]) -> None:
        """Keep it for the app."""
        self.tasks.append(task)

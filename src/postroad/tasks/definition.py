"""A function declared to be a task, before and after an app takes it in."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable
from functools import cached_property
from typing import Any

from postroad.engine.annotations import return_annotation
from postroad.engine.checks import executor_of
from postroad.engine.names import task_name
from postroad.errors import ConfigurationError, InvalidOption
from postroad.tasks.arguments import Arguments
from postroad.tasks.options import Policy, TaskOptions, policy_of
from postroad.tasks.route import Owner


class Definition:
    """What all copies of one Task share. ``owner``: the app its messages go through; the last that included it."""

    def __init__(self, function: Callable[..., Any], given: TaskOptions, name: str | None) -> None:
        self.function = function
        self.given = given
        self.name = task_name(function, name)
        self.executor = executor_of(function, given.executor, self.name)
        self.owner: Owner | None = None
        self.resolved: tuple[Owner, Policy] | None = None
        check_key(function, given.key, self.name)

    @cached_property
    def arguments(self) -> Arguments:
        return Arguments(self.function, self.name)

    @cached_property
    def returns(self) -> Any:
        """The annotation of what the task returns."""
        return return_annotation(self.function)

    def policy(self, owner: Owner) -> Policy:
        """The options, over the app's defaults."""
        if self.resolved is None or self.resolved[0] is not owner:
            self.resolved = (owner, policy_of(self.given.over(owner.task_defaults)))
        return self.resolved[1]

    def owned(self) -> Owner:
        """The app. Raises ConfigurationError for a router's task that no app includes."""
        if self.owner is None:
            raise ConfigurationError(
                f"The task {self.name} is declared on a router that no app includes, so there is nowhere to send it: "
                "app.include(router)."
            )
        return self.owner


def check_key(function: Callable[..., Any], key: Any, name: str) -> None:
    """A key that is text names a parameter."""
    if not isinstance(key, str):
        return
    parameters = list(inspect.signature(function).parameters)
    if key not in parameters:
        close = difflib.get_close_matches(key, parameters, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise InvalidOption(
            f"key={key!r}: {name} has no such parameter{hint}. A text names a parameter; for one fixed key, write "
            f"key=lambda *args, **named: {key!r}."
        )

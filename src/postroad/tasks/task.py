"""A task: a function that can be called as one, or sent."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Generic, ParamSpec, Protocol, TypeVar, overload

from postroad.core.durations import Duration
from postroad.core.message import Receipt, Send
from postroad.engine.deadletters import DeadLetters
from postroad.engine.names import refuse_main
from postroad.errors import ArgumentsDoNotFit
from postroad.ports.driver import DeadLetterFilter
from postroad.tasks.arguments import Bound
from postroad.tasks.definition import Definition
from postroad.tasks.result import Result
from postroad.tasks.route import Owner, Route
from postroad.tasks.sending import Envelope, Sending
from postroad.tasks.signature import Signature, Step

P = ParamSpec("P")
Q = ParamSpec("Q")
A = TypeVar("A")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
C_co = TypeVar("C_co", covariant=True)
A_contra = TypeVar("A_contra", contravariant=True)


class Task(Generic[P, R_co, C_co]):
    """Made by ``@app.task``. P: the function's parameters; R: what it returns; C: what calling it gives (a coroutine,
    for ``async def``)."""

    def __init__(self, definition: Definition) -> None:
        functools.update_wrapper(self, definition.function)
        self.definition = definition
        self.sending = Sending()
        self.envelope: Envelope | None = None
        self.sender: Owner | None = None
        self.verb = f"{definition.function.__name__}.delay"
        self.line = f"{definition.function.__name__}.adelay(...)"

    @property
    def name(self) -> str:
        """Its name in messages: ``module.qualname``, or what was given."""
        return self.definition.name

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> C_co:
        result: C_co = self.definition.function(*args, **kwargs)
        return result

    def delay(self, *args: P.args, **kwargs: P.kwargs) -> Result[R_co]:
        """Send it. Durable when this returns; inside a handler, it leaves with the handler's outcome.

        Raises ArgumentsDoNotFit, Unserialisable, TooLarge, QueueFull, Unroutable.
        """
        return self.dispatch(self.definition.arguments.bind(args, kwargs))

    async def adelay(self, *args: P.args, **kwargs: P.kwargs) -> Result[R_co]:
        """Send it. Durable when this returns; inside a handler, it leaves with the handler's outcome.

        Raises ArgumentsDoNotFit, Unserialisable, TooLarge, QueueFull, Unroutable.
        """
        return await self.dispatch_async(self.definition.arguments.bind(args, kwargs))

    def options(
        self,
        *,
        countdown: Duration | None = None,
        eta: datetime | None = None,
        expires: Duration | datetime | None = None,
        priority: int | None = None,
        queue: str | None = None,
        key: str | None = None,
        unique_key: str | None = None,
        headers: Mapping[str, str] | None = None,
        id: str | None = None,
        send_now: bool = False,
    ) -> Task[P, R_co, C_co]:
        """The same task, sent otherwise. Say what differs:

        ``countdown``: start no sooner than in this long. ``eta``: no sooner than then. ``expires``: no later than in this
        long, or then. ``priority``: 0-9, higher is sooner. ``key``: one at a time, in order, of this key. ``unique_key``:
        while one with this key is not done, the same Result is answered, ``duplicate`` True. ``headers``: text to text.
        ``id``: your own; a second message with it is not handled again. ``send_now``: inside a handler, do not wait
        for its outcome.
        """
        said = self.sending.also(
            countdown=countdown,
            eta=eta,
            expires=expires,
            priority=priority,
            queue=queue,
            key=key,
            unique_key=unique_key,
            headers=headers,
            id=id,
            send_now=send_now or None,
        )
        return self.copy(said)

    @overload
    def s(self, *args: P.args, **kwargs: P.kwargs) -> Signature[R_co]: ...
    @overload
    def s(self: _First[A, Q, R], *args: Q.args, **kwargs: Q.kwargs) -> Step[A, R]: ...
    def s(self, *args: Any, **kwargs: Any) -> Any:
        """The call, not made yet: a Signature, or a Step when only the first argument is lacking."""
        arguments = self.definition.arguments
        try:
            return Signature(self, arguments.bind(args, kwargs))
        except ArgumentsDoNotFit:
            if arguments.lacks_first(args, kwargs):
                return Step(self, (args, kwargs))
            raise

    def si(self, *args: P.args, **kwargs: P.kwargs) -> Signature[R_co]:
        """The call, not made yet; in a chain, the result before it is not prepended."""
        return Signature(self, self.definition.arguments.bind(args, kwargs))

    def step(self: _First[A, Q, R], *args: Q.args, **kwargs: Q.kwargs) -> Step[A, R]:
        """The call without its first argument, which a chain fills in."""
        return Step(self, (args, kwargs))  # type: ignore[arg-type]

    @property
    def dead_letters(self) -> DeadLetters:
        """The dead letters of this task."""
        return DeadLetters(self.definition.owned, DeadLetterFilter(task=self.name))

    def __repr__(self) -> str:
        return f"<Task {self.name}>"

    def dispatch(self, bound: Bound) -> Result[R_co]:
        """Send a call whose arguments fit."""
        send, owner = self.outgoing(bound)
        route = owner.route
        receipts = route.outbound.send([send], self.verb, self.line, self.sending.send_now)
        return result_of(receipts[0], route, self.definition)

    async def dispatch_async(self, bound: Bound) -> Result[R_co]:
        """`dispatch`, awaited."""
        send, owner = self.outgoing(bound)
        route = owner.route
        receipts = await route.outbound.asend([send], self.sending.send_now)
        return result_of(receipts[0], route, self.definition)

    def outgoing(self, bound: Bound) -> tuple[Send, Owner]:
        """The message of a call, and the app it goes through."""
        owner = self.definition.owner
        envelope = self.envelope
        if envelope is None or owner is None or self.sender is not owner:
            owner, envelope = self.addressed()
        return envelope.send(bound), owner

    def addressed(self) -> tuple[Owner, Envelope]:
        """What does not change from call to call, made for the app that owns the task now."""
        definition = self.definition
        owner = definition.owned()
        refuse_main(definition.name)
        self.envelope = Envelope(
            definition.name, definition.arguments, definition.policy(owner), self.sending, owner.tzinfo, owner.body_bytes_max
        )
        self.sender = owner
        return owner, self.envelope

    def copy(self, sending: Sending) -> Task[P, R_co, C_co]:
        """Another sender of the same task."""
        copy: Task[P, R_co, C_co] = object.__new__(Task)
        copy.__dict__.update(self.__dict__)
        copy.sending = sending
        copy.envelope = None
        return copy


def result_of(receipt: Receipt, route: Route, definition: Definition) -> Result[Any]:
    """The Result of a message the engine has: its own, or that of the one it was a duplicate of."""
    if receipt.duplicate_of is not None:
        return Result(receipt.duplicate_of, route, definition, duplicate=True)
    return Result(receipt.id, route, definition)


class _First(Protocol[A_contra, Q, R_co]):
    """A task seen as: its first parameter, and the rest."""

    def __call__(self, first: A_contra, /, *args: Q.args, **kwargs: Q.kwargs) -> Any: ...
    def options(self) -> Task[Any, R_co, Any]: ...

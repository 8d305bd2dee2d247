"""Queues, exchanges and dead letters, as an app or a router declares them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast, overload

from postroad.app.parts import P, Parts
from postroad.core.durations import Duration
from postroad.core.retry import Retry
from postroad.core.topology import valid_name
from postroad.engine.deadletters import DeadLetters
from postroad.engine.handler import Gate
from postroad.engine.route import Owner
from postroad.errors import InvalidOption
from postroad.ports.driver import DeadLetterFilter
from postroad.queues.envelope import Key
from postroad.queues.escalation import DeadLetterSource, ErrorKind, EscalationHandler, EscalationSource
from postroad.queues.exchange import MessageExchange
from postroad.queues.exchange import exchange as make_exchange
from postroad.queues.gates import Sequencing
from postroad.queues.options import declared
from postroad.queues.queue import MessageQueue
from postroad.reliability.sequence import SequenceGate
from postroad.tasks.task import Task

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])


class DeclaresQueues:
    """Who inherits takes the parts in by `declare`."""

    parts: Parts

    def declare(self, part: P) -> P:
        raise NotImplementedError

    @overload
    def queue(
        self,
        name: str,
        *,
        max_priority: int | None = None,
        max_length: int | None = None,
        overflow: str | None = None,
        ttl: Duration | None = None,
        declare: bool = True,
        durable: bool = True,
        exclusive: bool = False,
        kind: str = "auto",
        key: Key | None = None,
        schema: type[T],
    ) -> MessageQueue[T]: ...
    @overload
    def queue(
        self,
        name: str,
        *,
        max_priority: int | None = None,
        max_length: int | None = None,
        overflow: str | None = None,
        ttl: Duration | None = None,
        declare: bool = True,
        durable: bool = True,
        exclusive: bool = False,
        kind: str = "auto",
        key: Key | None = None,
        schema: None = None,
    ) -> MessageQueue[Any]: ...
    def queue(
        self,
        name: str,
        *,
        max_priority: int | None = None,
        max_length: int | None = None,
        overflow: str | None = None,
        ttl: Duration | None = None,
        declare: bool = True,
        durable: bool = True,
        exclusive: bool = False,
        kind: str = "auto",
        key: Key | None = None,
        schema: Any = None,
    ) -> MessageQueue[Any]:
        """A queue of raw messages, declared; the same one when it is declared alike before. Declaring does no I/O.

        ``max_priority``: messages may say priorities up to this, 1-9. ``max_length``: most messages waiting, and
        ``overflow`` what becomes of the next: "block" (put waits), "reject" (put raises QueueFull) or "drop_oldest" (the
        oldest becomes a dead letter). ``ttl``: what waits longer is a dead letter. ``declare=False``: it is declared
        elsewhere. ``exclusive``: one process at a time takes from it; with the name "", or ``durable=False``, it goes with
        that process (and after a minute in which nobody took from it). ``key``: the name of a field of the body, or a
        function of it: messages of one key are handled one at a time, in order. ``schema``: the type of the bodies.
        Raises TopologyConflict for one of this name that is declared otherwise, InvalidOption, InvalidName, NotSupported.
        """
        said = declared(
            name,
            max_priority=max_priority,
            max_length=max_length,
            overflow=overflow,
            ttl=ttl,
            declare=declare,
            durable=durable,
            exclusive=exclusive,
            kind=kind,
            key=key,
            schema=schema,
        )
        made = MessageQueue[Any](said, self.declare, sequence_gate)
        present = self.parts.find("queue", made.name)
        if isinstance(present, MessageQueue):
            made.check_alike(present)
            return present
        return self.declare(made)

    def exchange(
        self, name: str, kind: str = "topic", *, alternate: MessageExchange | str | None = None, declare: bool = True
    ) -> MessageExchange:
        """An exchange, declared; the same one when it is declared alike before. Declaring does no I/O.

        ``kind``: "topic" (by patterns of the routing key), "direct" (by the key itself), "fanout" (to all) or "headers".
        ``alternate``: the exchange that gets what this one can route nowhere. ``declare=False``: it is declared elsewhere.
        Raises TopologyConflict for one of this name that is declared otherwise, InvalidOption, InvalidName.
        """
        made = make_exchange(name, kind, alternate, declare)
        present = self.parts.find("exchange", name)
        if isinstance(present, MessageExchange):
            made.check_alike(present)
            return present
        return self.declare(made)

    @overload
    def on_dead_letter(self, fn: F, /) -> F: ...
    @overload
    def on_dead_letter(
        self,
        *,
        source: Any = None,
        error: ErrorKind | None = None,
        name: str | None = None,
        retry: Retry | None = None,
        max_deliveries: int = 5,
    ) -> Callable[[F], F]: ...
    def on_dead_letter(self, *functions: Any, **options: Any) -> Any:
        """Handle dead letters as they come: ``@app.on_dead_letter``, or with options. The function takes a DeadLetterRecord and
        stays one. The letter stays where it is; what dies in a handler of dead letters is handed to none.

        ``source``: a queue, a task, a subscription, a queue's name, or several; None for all. ``error``: an exception type, or
        its qualified name: letters that died of another are passed over. ``name``: the handler's, instead of module.qualname;
        its queue is ``dead-letters.<name>``. ``retry``, ``max_deliveries``: as of tasks.
        """
        source, error = options.pop("source", None), options.pop("error", None)

        def declare(function: F) -> F:
            self.declare(escalation(function, source, error, **options))
            return function

        return declare(*functions) if functions else declare


def escalation(
    function: Callable[..., Any],
    source: Any,
    error: ErrorKind | None,
    name: str | None = None,
    retry: Retry | None = None,
    max_deliveries: int = 5,
) -> DeadLetterSource:
    """Raises ConfigurationError, InvalidOption."""
    given = () if source is None else tuple(source) if isinstance(source, list | tuple | set) else (source,)
    for one in given:
        check_source(one)
    handler = EscalationHandler(function, name, retry, max_deliveries)
    return DeadLetterSource(handler, lambda owner: sources_of(given, owner), error)


def check_source(source: Any) -> None:
    if not isinstance(source, str | Task | MessageQueue) and not isinstance(getattr(source, "queue", None), str):
        raise InvalidOption(f"source={source!r:.80}: give a queue, a task, a subscription, or a queue's name.")


def sources_of(given: Sequence[Any], owner: Any) -> list[EscalationSource]:
    """Their queues; an app's own default options say which queue a task has."""
    return [source_of(one, owner) for one in given]


def source_of(one: Any, owner: Any) -> EscalationSource:
    if isinstance(one, Task):
        return EscalationSource(one.definition.policy(owner).queue, one.name)
    return EscalationSource(one if isinstance(one, str) else one.name if isinstance(one, MessageQueue) else one.queue)


class LooksAtDeadLetters:
    """An app's dead letters."""

    def dead_letters(self, source: Any = None) -> DeadLetters:
        """What died: in all of the app's engine, or of one ``source``, a queue, a task, a subscription or a queue's name.

        ``.peek(10)``, ``.count()``, ``.groups()``, ``.show(number)``, ``.edit(number, body=...)``, ``.redrive(limit=100,
        dry_run=True)``, ``.purge()``, ``.export(path)``, ``.import_(path)``.
        """
        if source is None or isinstance(source, str):
            name = None if source is None else valid_name(source)
            return DeadLetters(lambda: cast(Owner, self), DeadLetterFilter(source=name))
        letters = getattr(source, "dead_letters", None)
        if not isinstance(letters, DeadLetters):
            raise InvalidOption(f"dead_letters({source!r:.80}): give a queue, a task, a subscription, or a queue's name.")
        return letters


def sequence_gate(queue: str, how: Sequencing) -> Gate:
    """Lets messages pass in the order of their numbers."""
    return SequenceGate(queue, lambda delivery: how.number(delivery.message), how.gap_timeout_s, how.on_gap)

"""A queue of raw messages: put, handle, pull, look."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from itertools import islice
from typing import Any, Generic, TypeVar, overload

import msgspec

from postroad.core.durations import Duration, optional_seconds
from postroad.core.message import PRIORITY_DEFAULT, Address, Send
from postroad.core.retry import Retry
from postroad.core.topology import Binding, Topology
from postroad.engine.asking import aask, ask
from postroad.engine.bodies import reader, writer
from postroad.engine.checks import Routes, checked_priority
from postroad.engine.deadletters import DeadLetters
from postroad.engine.forks import on_fork
from postroad.engine.route import Owner
from postroad.errors import InvalidOption
from postroad.ports.driver import DeadLetterFilter
from postroad.queues import looking
from postroad.queues.consumer import QueueConsumer, consumer_options
from postroad.queues.envelope import Envelope, Key, envelope, key_field
from postroad.queues.gates import Field, GateMaker, no_gates
from postroad.queues.looking import Peeked
from postroad.queues.options import Declared, unowned
from postroad.queues.received import Pulling, Receiving

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

BATCH = 2_000


class MessageQueue(Generic[T]):
    """Made by ``app.queue(...)``. T: what its bodies are (``schema=``); Any without one.

    Each message goes to one consumer. A queue named by a task's ``queue=`` is the same queue, and carries tasks then: what is
    declared here (bounds, ttl, priorities) holds for it, raw messages are refused.
    """

    kind = "queue"

    def __init__(
        self, declared: Declared, declare: Callable[[QueueConsumer], object] | None = None, gates: GateMaker = no_gates
    ) -> None:
        self.declared = declared
        self.declare = declare
        self.gates = gates
        self.owner: Owner | None = None
        self.raw = False
        self.bound: list[Binding] = []
        self.consumed_by: QueueConsumer | None = None
        self.after_fork()
        on_fork(self)
        named = "its process" if not declared.queue.name else repr(declared.queue.name)
        self.write = writer(f"The body for the queue of {named}", declared.schema)
        self.read = reader(Any, declared.schema, f"The body of a message of the queue of {named}")
        self.key_of = key_field(declared.key, declared.queue.name)

    def after_fork(self) -> None:
        """A name made for its process is not the child's."""
        self.own_name = f"temporary.{secrets.token_hex(8)}"

    # A part of an app

    @property
    def name(self) -> str:
        """Its name; for one declared without, the name made for it in this process."""
        return self.declared.queue.name or self.own_name

    @property
    def temporary(self) -> bool:
        """Whether it goes with the process that takes from it."""
        return self.declared.queue.temporary

    def adopt(self, owner: Owner) -> None:
        """An app took it in."""
        self.owner = owner

    def check_alike(self, present: object) -> None:
        """Raises TopologyConflict unless the other one of its name is declared alike."""
        if isinstance(present, MessageQueue):
            self.declared.check_alike(present.declared)

    def topology(self) -> Topology:
        """The queue; a temporary one where its worker runs or, without a consumer, where the app's engine is in use."""
        return self.full_topology() if not self.temporary or self.is_here() else Topology()

    def is_here(self) -> bool:
        return self.consumed_by is None and self.owner is not None and self.owner.connection.in_use

    def full_topology(self) -> Topology:
        """The queue, and what is bound to it alone."""
        if not self.declared.declare:
            return Topology()
        queue = msgspec.structs.replace(self.declared.queue, name=self.name, carries="messages" if self.raw else "")
        return Topology((queue,), bindings=tuple(msgspec.structs.replace(one, to=self.name) for one in self.bound))

    def owned(self) -> Owner:
        """The app. Raises ConfigurationError while there is none."""
        if self.owner is None:
            raise unowned(f"Queue {self.name!r}")
        return self.owner

    def used(self) -> None:
        """It carries raw messages from now on, whatever was open before."""
        if not self.raw:
            self.raw = True
            self.changed()

    def changed(self) -> None:
        """The engine is to be told anew."""
        if self.owner is not None:
            self.owner.connection.changed()

    # Putting

    def put(
        self,
        body: T,
        *,
        priority: int | None = None,
        delay: Duration | None = None,
        key: Key | None = None,
        headers: Mapping[str, str] | None = None,
        id: str | None = None,
        expires: Duration | None = None,
        persistent: bool = True,
        timeout: Duration | None = None,
        send_now: bool = False,
    ) -> str:
        """Put a message into the queue and answer its id. Durable when this returns; inside a handler, it leaves with the
        handler's outcome, unless ``send_now``.

        ``body``: bytes as they are, else anything with a JSON form. ``priority``: 0-9, higher is sooner, up to the queue's
        ``max_priority``. ``delay``: not taken before this long. ``key``: text, or a function of the body; one at a time, in
        order, of each key. ``headers``: text to text. ``id``: your own; a second message with it is not handled again.
        ``expires``: a dead letter if not taken within this long. ``persistent=False``: may be lost with the machine's power.
        ``timeout``: how long to wait for room in a full queue with overflow="block"; None: as long as it takes.
        Raises QueueFull, Unroutable, Unserialisable, TooLarge, Undecodable (it does not fit the schema), InvalidOption.
        """
        said = self.envelope(priority, delay, key, headers, id, expires)
        send, owner = self.outgoing(body, said), self.owned()
        durability, timeout_s = None if persistent else "relaxed", optional_seconds(timeout, "timeout")
        return owner.route.outbound.send([send], "q.put", "q.aput(...)", send_now, timeout_s, durability)[0].id

    async def aput(
        self,
        body: T,
        *,
        priority: int | None = None,
        delay: Duration | None = None,
        key: Key | None = None,
        headers: Mapping[str, str] | None = None,
        id: str | None = None,
        expires: Duration | None = None,
        persistent: bool = True,
        timeout: Duration | None = None,
        send_now: bool = False,
    ) -> str:
        """Put a message into the queue and answer its id. Durable when this returns; inside a handler, it leaves with the
        handler's outcome, unless ``send_now``.

        ``body``: bytes as they are, else anything with a JSON form. ``priority``: 0-9, higher is sooner, up to the queue's
        ``max_priority``. ``delay``: not taken before this long. ``key``: text, or a function of the body; one at a time, in
        order, of each key. ``headers``: text to text. ``id``: your own; a second message with it is not handled again.
        ``expires``: a dead letter if not taken within this long. ``persistent=False``: may be lost with the machine's power.
        ``timeout``: how long to wait for room in a full queue with overflow="block"; None: as long as it takes.
        Raises QueueFull, Unroutable, Unserialisable, TooLarge, Undecodable (it does not fit the schema), InvalidOption.
        """
        said = self.envelope(priority, delay, key, headers, id, expires)
        send, owner = self.outgoing(body, said), self.owned()
        durability, timeout_s = None if persistent else "relaxed", optional_seconds(timeout, "timeout")
        return (await owner.route.outbound.asend([send], send_now, timeout_s, durability))[0].id

    def put_many(
        self,
        bodies: Iterable[T],
        *,
        priority: int | None = None,
        delay: Duration | None = None,
        key: Key | None = None,
        headers: Mapping[str, str] | None = None,
        expires: Duration | None = None,
        persistent: bool = True,
        timeout: Duration | None = None,
        send_now: bool = False,
    ) -> list[str]:
        """Put many messages, in order: in batches, each of them durable as a whole; all of them when this returns. The ids.

        The options are those of ``put`` and hold for each; ``timeout`` is of each batch. Raises for the first refusal in a
        batch; those before it are in the queue.
        """
        said = self.envelope(priority, delay, key, headers, None, expires)
        durability, timeout_s = None if persistent else "relaxed", optional_seconds(timeout, "timeout")
        outbound, ids = self.owned().route.outbound, list[str]()
        for sends in self.batches(bodies, said):
            receipts = outbound.send(sends, "q.put_many", "q.aput_many(...)", send_now, timeout_s, durability)
            ids += [receipt.id for receipt in receipts]
        return ids

    async def aput_many(
        self,
        bodies: Iterable[T],
        *,
        priority: int | None = None,
        delay: Duration | None = None,
        key: Key | None = None,
        headers: Mapping[str, str] | None = None,
        expires: Duration | None = None,
        persistent: bool = True,
        timeout: Duration | None = None,
        send_now: bool = False,
    ) -> list[str]:
        """Put many messages, in order: in batches, each of them durable as a whole; all of them when this returns. The ids.

        The options are those of ``put`` and hold for each; ``timeout`` is of each batch. Raises for the first refusal in a
        batch; those before it are in the queue.
        """
        said = self.envelope(priority, delay, key, headers, None, expires)
        durability, timeout_s = None if persistent else "relaxed", optional_seconds(timeout, "timeout")
        outbound, ids = self.owned().route.outbound, list[str]()
        for sends in self.batches(bodies, said):
            ids += [receipt.id for receipt in await outbound.asend(sends, send_now, timeout_s, durability)]
        return ids

    def envelope(
        self,
        priority: int | None,
        delay: Duration | None,
        key: Key | None,
        headers: Mapping[str, str] | None,
        id: str | None,
        expires: Duration | None,
    ) -> Envelope:
        return envelope(self.priority(priority), delay, key, headers, id, expires, self.key_of)

    def priority(self, given: int | None) -> int:
        """The middle one when nothing is said. Raises InvalidOption where the queue has none, or none so high."""
        highest = self.declared.queue.priority_max
        if given is None:
            return PRIORITY_DEFAULT if highest is None else min(PRIORITY_DEFAULT, highest)
        checked_priority(given)
        if highest is None:
            raise InvalidOption(
                f"priority={given}: queue {self.name!r} has no priorities. Declare them: app.queue({self.name!r}, max_priority=9)."
            )
        if given > highest:
            raise InvalidOption(f"priority={given}: queue {self.name!r} is declared with max_priority={highest}.")
        return given

    def outgoing(self, body: T, said: Envelope) -> Send:
        owner = self.owned()
        if not self.raw:
            self.used()
        content, content_type = self.write(body, owner.body_bytes_max)
        return Send(Address(self.name), said.message(body, content, content_type))

    def batches(self, bodies: Iterable[T], said: Envelope) -> Iterator[list[Send]]:
        waiting = iter(bodies)
        while sends := [self.outgoing(body, said) for body in islice(waiting, BATCH)]:
            yield sends

    # Taking

    @overload
    def consumer(self, fn: F, /) -> F: ...
    @overload
    def consumer(
        self,
        *,
        prefetch: int | None = None,
        ack: str = "late",
        batch: int | None = None,
        batch_wait: Duration = 0.1,
        retry: Retry | None = None,
        on_error: Routes | None = None,
        max_deliveries: int = 5,
        executor: str | None = None,
        order: str = "wait",
        inbox: Field | bool | None = None,
        sequence: Field | None = None,
        gap_timeout: Duration = "30s",
        on_gap: str = "dead-letter",
        name: str | None = None,
    ) -> Callable[[F], F]: ...
    def consumer(self, *functions: Any, **options: Any) -> Any:
        """Handle the queue's messages in workers: ``@q.consumer``, or with options. The function stays one.

        Its one parameter takes the body, read by its annotation (a Struct, dataclass, pydantic model, plain data; ``bytes``:
        as it is; ``Message``: with its envelope); what cannot be read so is a dead letter at once.
        ``prefetch``: most messages a process holds. ``ack``: "late", or "early": a message leaves before it is handled, at
        most once. ``batch``: the function takes a list, of up to so many, gathered for up to ``batch_wait``.
        ``retry``, ``on_error``, ``max_deliveries``, ``executor``: as of tasks. ``order``: "wait" (a failing message holds up
        its key while it retries) or "skip". ``inbox``: a field of the body, a function of it, or True (the message's id): another
        message with the same one is not handled again. ``sequence``: a field with a number that grows by one in each key: messages are
        handled in its order; a gap waits ``gap_timeout``, then ``on_gap``: "dead-letter" or "skip".
        Raises ConfigurationError for a second one, InvalidOption.
        """
        said = consumer_options(options)

        def declare(function: F) -> F:
            self.take_in(QueueConsumer(self, function, said))
            return function

        return declare(*functions) if functions else declare

    def take_in(self, consumer: QueueConsumer) -> None:
        if self.consumed_by is not None:
            consumer.check_alike(self.consumed_by)
        self.consumed_by = consumer
        self.used()
        if self.declare is not None:
            self.declare(consumer)

    def receive(self, timeout: Duration | None = None) -> Receiving[T]:
        """Take one message by hand: ``with q.receive(timeout=5) as d:``, or ``async with``.

        ``d.body`` is the message; ``d.accept()``, ``d.release(delay=5)`` or ``d.reject("why")`` say what becomes of it. Leaving
        the block without a word accepts it, an exception releases it. ``timeout``: None waits as long as it takes. Raises
        QueueEmpty when nothing comes in time.
        """
        return Receiving(self, optional_seconds(timeout, "timeout"))

    def taken_by_hand(self) -> tuple[Owner, Pulling]:
        """What `receive` needs."""
        owner = self.owned()
        self.used()
        if self.temporary:
            self.changed()
        return owner, self.pulling

    @cached_property
    def pulling(self) -> Pulling:
        return Pulling(self.name, self.read)

    # Looking and operating

    def depth(self) -> int:
        """How many messages wait: ready, delayed, or behind another of their key; not those being handled."""
        return ask(self.owned(), looking.depth(self.name), "q.depth", "q.adepth()")

    async def adepth(self) -> int:
        """How many messages wait: ready, delayed, or behind another of their key; not those being handled."""
        return await aask(self.owned(), looking.depth(self.name))

    def peek(self, n: int = 10) -> list[Peeked[T]]:
        """The next ``n`` messages in the order in which they would be taken, delayed ones last. They stay where they are."""
        return ask(self.owned(), looking.peek(self.name, n, self.read), "q.peek", "q.apeek(...)")

    async def apeek(self, n: int = 10) -> list[Peeked[T]]:
        """The next ``n`` messages in the order in which they would be taken, delayed ones last. They stay where they are."""
        return await aask(self.owned(), looking.peek(self.name, n, self.read))

    def purge(self, limit: int | None = None) -> int:
        """Delete what waits, oldest first, up to ``limit``; answers how many. What is being handled stays."""
        return ask(self.owned(), looking.purge(self.name, limit), "q.purge", "q.apurge()")

    async def apurge(self, limit: int | None = None) -> int:
        """Delete what waits, oldest first, up to ``limit``; answers how many. What is being handled stays."""
        return await aask(self.owned(), looking.purge(self.name, limit))

    @property
    def dead_letters(self) -> DeadLetters:
        """What died in this queue."""
        return DeadLetters(self.owned, DeadLetterFilter(source=self.name))

    def __repr__(self) -> str:
        return f"<Queue {self.name}>"

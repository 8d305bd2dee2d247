"""An exchange: routes what is published to the queues bound to it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from postroad.core.codec import checked_headers
from postroad.core.durations import Duration, optional_seconds
from postroad.core.message import PRIORITY_DEFAULT, Address, Send
from postroad.core.routing import valid_pattern
from postroad.core.topology import EXCHANGE_KINDS, Binding, Exchange, Topology, differences
from postroad.engine.bodies import writer
from postroad.engine.checks import checked_priority
from postroad.engine.route import Owner
from postroad.errors import ConfigurationError, InvalidOption, InvalidPattern, TopologyConflict
from postroad.queues.envelope import Envelope, Key, envelope
from postroad.queues.options import own_name, unowned
from postroad.queues.queue import BATCH, MessageQueue

MATCHES = ("all", "any")


class MessageExchange:
    """Made by ``app.exchange(...)``. What is published goes to every queue bound to it whose binding takes it, once to each."""

    kind = "exchange"

    def __init__(self, declared: Exchange, declare: bool = True) -> None:
        self.declared = declared
        self.declare = declare
        self.owner: Owner | None = None
        self.bindings: dict[str, Binding] = {}
        self.write = writer(f"The body for exchange {declared.name!r}", None)

    # A part of an app

    @property
    def name(self) -> str:
        """Its name."""
        return self.declared.name

    def adopt(self, owner: Owner) -> None:
        """An app took it in."""
        self.owner = owner

    def check_alike(self, present: object) -> None:
        """Raises TopologyConflict unless the other one of its name is declared alike."""
        if not isinstance(present, MessageExchange):
            return
        different = differences(self.declared, present.declared)
        if self.declare != present.declare:
            different.append(f"declare is {present.declare} there and {self.declare} here")
        if different:
            raise TopologyConflict(
                f"Exchange {self.name!r} is declared twice in this app, and differently: {'; '.join(different)}. Declare it "
                "alike, or once, and import it from there."
            )

    def topology(self) -> Topology:
        """The exchange and its bindings."""
        exchanges = (self.declared,) if self.declare else ()
        return Topology(exchanges=exchanges, bindings=tuple(self.bindings.values()))

    def owned(self) -> Owner:
        """The app. Raises ConfigurationError while there is none."""
        if self.owner is None:
            raise unowned(f"Exchange {self.name!r}")
        return self.owner

    # Binding

    def bind(
        self,
        target: MessageQueue[Any] | MessageExchange,
        *patterns: str,
        headers: Mapping[str, str] | None = None,
        match: str = "all",
    ) -> None:
        """Send to this queue, or through this exchange, what one of the patterns takes. Declaring does no I/O.

        Of a topic exchange: words with dots between, ``*`` is exactly one word, ``#`` any number of them. Direct: the routing
        keys. Fanout: none. Headers: none, but ``headers=``, of which ``match`` "all" or "any" must be there, equal.
        Raises InvalidPattern, InvalidOption.
        """
        for pattern in self.checked_patterns(patterns, headers, match):
            wanted = {} if headers is None else checked_headers(headers)
            self.add(target, Binding(self.name, "", pattern, wanted, match))
        if self.owner is not None:
            self.owner.connection.changed()

    def add(self, target: Any, binding: Binding) -> None:
        if isinstance(target, MessageExchange):
            self.keep(binding, target.name, True)
        elif not isinstance(target, MessageQueue):
            raise ConfigurationError(
                f"{self.name}.bind({target!r:.80}): a queue or an exchange can be bound, as app.queue(...) and app.exchange(...) "
                "answer them. (A task takes calls, not messages: bind a queue, and call task.delay in its consumer.)"
            )
        elif target.temporary:
            target.bound.append(binding)
            target.used()
        else:
            self.keep(binding, target.name, False)
            target.used()

    def keep(self, binding: Binding, to: str, to_exchange: bool) -> None:
        whole = Binding(binding.exchange, to, binding.pattern, binding.headers, binding.match, to_exchange)
        self.bindings[whole.words()] = whole

    def checked_patterns(self, patterns: tuple[str, ...], headers: Mapping[str, str] | None, match: str) -> tuple[str, ...]:
        kind = self.declared.kind
        if kind == "headers":
            return self.by_headers(patterns, headers, match)
        if headers is not None or match != "all":
            raise InvalidOption(f"{self.name} is a {kind} exchange and does not look at headers: leave headers= and match= out.")
        if kind == "fanout":
            if any(patterns):
                raise InvalidOption(f"{self.name} is a fanout exchange and sends everything to everybody: leave {patterns[0]!r} out.")
            return ("",)
        if not patterns:
            example = "'order.*', or '#' for everything" if kind == "topic" else "the routing keys it is to get"
            raise InvalidPattern(f"{self.name} is a {kind} exchange, and this binding says nothing of what it takes: write {example}.")
        return tuple(valid_pattern(text(one)) if kind == "topic" else text(one) for one in patterns)

    def by_headers(self, patterns: tuple[str, ...], headers: Mapping[str, str] | None, match: str) -> tuple[str, ...]:
        if patterns or headers is None:
            raise InvalidOption(f"{self.name} is a headers exchange: bind by headers={{'format': 'pdf'}}, without a pattern.")
        if match not in MATCHES:
            raise InvalidOption(f"match={match!r}: write 'all' or 'any'.")
        return ("",)

    # Publishing

    def publish(
        self,
        body: Any,
        routing_key: str = "",
        *,
        headers: Mapping[str, str] | None = None,
        mandatory: bool = False,
        priority: int | None = None,
        delay: Duration | None = None,
        key: Key | None = None,
        id: str | None = None,
        expires: Duration | None = None,
        persistent: bool = True,
        timeout: Duration | None = None,
        send_now: bool = False,
    ) -> str:
        """Publish a message and answer its id: every queue that is bound for it has it, durably, or none. Inside a handler, it
        leaves with the handler's outcome, unless ``send_now``.

        To nobody is no error, unless ``mandatory``: then Unroutable. The other options are those of ``Queue.put``.
        Raises QueueFull (one of the queues is), Unroutable, Unserialisable, TooLarge, InvalidOption.
        """
        said = envelope(priority_of(priority), delay, key, headers, id, expires)
        send, outbound = self.outgoing(body, text(routing_key), mandatory, said), self.owned().route.outbound
        durability, timeout_s = None if persistent else "relaxed", optional_seconds(timeout, "timeout")
        return outbound.send([send], "exchange.publish", "exchange.apublish(...)", send_now, timeout_s, durability)[0].id

    async def apublish(
        self,
        body: Any,
        routing_key: str = "",
        *,
        headers: Mapping[str, str] | None = None,
        mandatory: bool = False,
        priority: int | None = None,
        delay: Duration | None = None,
        key: Key | None = None,
        id: str | None = None,
        expires: Duration | None = None,
        persistent: bool = True,
        timeout: Duration | None = None,
        send_now: bool = False,
    ) -> str:
        """Publish a message and answer its id: every queue that is bound for it has it, durably, or none. Inside a handler, it
        leaves with the handler's outcome, unless ``send_now``.

        To nobody is no error, unless ``mandatory``: then Unroutable. The other options are those of ``Queue.put``.
        Raises QueueFull (one of the queues is), Unroutable, Unserialisable, TooLarge, InvalidOption.
        """
        said = envelope(priority_of(priority), delay, key, headers, id, expires)
        send, outbound = self.outgoing(body, text(routing_key), mandatory, said), self.owned().route.outbound
        durability, timeout_s = None if persistent else "relaxed", optional_seconds(timeout, "timeout")
        return (await outbound.asend([send], send_now, timeout_s, durability))[0].id

    def publish_many(
        self,
        bodies: Iterable[Any],
        routing_key: str = "",
        *,
        headers: Mapping[str, str] | None = None,
        mandatory: bool = False,
        priority: int | None = None,
        delay: Duration | None = None,
        key: Key | None = None,
        expires: Duration | None = None,
        persistent: bool = True,
        timeout: Duration | None = None,
        send_now: bool = False,
    ) -> list[str]:
        """Publish many messages under one routing key, in batches, each of them durable as a whole; answers their ids.

        The options are those of ``publish`` and hold for each.
        """
        said = envelope(priority_of(priority), delay, key, headers, None, expires)
        durability, timeout_s = None if persistent else "relaxed", optional_seconds(timeout, "timeout")
        outbound, ids = self.owned().route.outbound, list[str]()
        for sends in self.batches(bodies, text(routing_key), mandatory, said):
            receipts = outbound.send(sends, "exchange.publish_many", "exchange.apublish_many(...)", send_now, timeout_s, durability)
            ids += [receipt.id for receipt in receipts]
        return ids

    async def apublish_many(
        self,
        bodies: Iterable[Any],
        routing_key: str = "",
        *,
        headers: Mapping[str, str] | None = None,
        mandatory: bool = False,
        priority: int | None = None,
        delay: Duration | None = None,
        key: Key | None = None,
        expires: Duration | None = None,
        persistent: bool = True,
        timeout: Duration | None = None,
        send_now: bool = False,
    ) -> list[str]:
        """Publish many messages under one routing key, in batches, each of them durable as a whole; answers their ids.

        The options are those of ``publish`` and hold for each.
        """
        said = envelope(priority_of(priority), delay, key, headers, None, expires)
        durability, timeout_s = None if persistent else "relaxed", optional_seconds(timeout, "timeout")
        outbound, ids = self.owned().route.outbound, list[str]()
        for sends in self.batches(bodies, text(routing_key), mandatory, said):
            ids += [receipt.id for receipt in await outbound.asend(sends, send_now, timeout_s, durability)]
        return ids

    def outgoing(self, body: Any, routing_key: str, mandatory: bool, said: Envelope) -> Send:
        content, content_type = self.write(body, self.owned().body_bytes_max)
        return Send(Address(routing_key, self.name), said.message(body, content, content_type), mandatory)

    def batches(self, bodies: Iterable[Any], routing_key: str, mandatory: bool, said: Envelope) -> Iterator[list[Send]]:
        waiting = iter(bodies)
        while sends := [self.outgoing(body, routing_key, mandatory, said) for body in islice(waiting, BATCH)]:
            yield sends

    def __repr__(self) -> str:
        return f"<Exchange {self.name}, {self.declared.kind}>"


def exchange(name: str, kind: str, alternate: MessageExchange | str | None, declare: bool) -> MessageExchange:
    """Raises InvalidName or InvalidOption."""
    own_name(name, "exchange")
    if kind not in EXCHANGE_KINDS:
        raise InvalidOption(f"kind={kind!r}: write one of {', '.join(map(repr, EXCHANGE_KINDS))}.")
    other = alternate.name if isinstance(alternate, MessageExchange) else alternate or ""
    if other == name:
        raise InvalidOption(f"alternate={other!r}: an exchange cannot be its own alternate.")
    return MessageExchange(Exchange(name, kind, other), bool(declare))


def priority_of(given: int | None) -> int:
    """Which of the queues it reaches have priorities is theirs to know."""
    return PRIORITY_DEFAULT if given is None else checked_priority(given)


def text(value: Any) -> str:
    if not isinstance(value, str):
        raise InvalidOption(f"{value!r:.80} is no routing key or pattern: write text.")
    return value

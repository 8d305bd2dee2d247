"""Where a message goes: exchanges and bindings as a table, asked by exchange, routing key and headers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from postroad.core.topology import Binding, Topology
from postroad.errors import InvalidPattern

REMEMBERED_MAX = 10_000
EVENTS = "postroad.events"
DEAD_LETTERS = "postroad.dead-letters"
"""Exchanges of the engine's own, topic both: events by their type, dead letters by their source."""

Target = tuple[str, bool]
"""A queue's name, False; or an exchange's, True."""


def valid_pattern(pattern: str) -> str:
    """The pattern itself. Raises InvalidPattern: ``*`` and ``#`` stand for whole words only."""
    for word in pattern.split("."):
        if word not in ("*", "#") and ("*" in word or "#" in word):
            raise InvalidPattern(
                f"{pattern!r} is no pattern: {word!r} mixes a wildcard with letters. Words are divided by dots; * stands for "
                "exactly one word, # for any number of words: 'order.*', 'order.#'."
            )
    if not pattern or ("" in pattern.split(".")):
        raise InvalidPattern(f"{pattern!r} is no pattern: it has an empty word. Write words divided by dots, as 'order.*'.")
    return pattern


def matches(pattern: str, key: str) -> bool:
    """Whether a topic pattern takes this routing key."""
    tree = PatternTree()
    tree.add(pattern, ("", False))
    return bool(tree.find(key))


def overlap(first: str, second: str) -> bool:
    """Whether some routing key is taken by both patterns."""
    return words_overlap(first.split("."), second.split("."))


def words_overlap(first: Sequence[str], second: Sequence[str]) -> bool:
    """From the ends backwards: ``after[j]`` says whether what is left of both, from the next word of ``first``, overlaps."""
    after = [all(word == "#" for word in second[at:]) for at in range(len(second) + 1)]
    for at in range(len(first) - 1, -1, -1):
        after = overlaps_from(first, at, second, after)
    return after[0]


def overlaps_from(first: Sequence[str], at: int, second: Sequence[str], after: Sequence[bool]) -> list[bool]:
    here = [False] * (len(second) + 1)
    here[-1] = first[at] == "#" and after[-1]
    for to in range(len(second) - 1, -1, -1):
        if "#" in (first[at], second[to]):
            here[to] = (first[at] == "#" and after[to]) or (second[to] == "#" and here[to + 1])
            here[to] = here[to] or here[to + 1] if first[at] == "#" else here[to] or after[to]
        else:
            here[to] = (first[at] == second[to] or "*" in (first[at], second[to])) and after[to + 1]
    return here


class PatternTree:
    """Topic patterns by their words: a look costs by the words of the key, not by the number of patterns."""

    __slots__ = ("below", "targets")

    def __init__(self) -> None:
        self.below: dict[str, PatternTree] = {}
        self.targets: dict[Target, None] = {}

    def add(self, pattern: str, target: Target) -> None:
        node = self
        for word in pattern.split("."):
            node = node.below.setdefault(word, PatternTree())
        node.targets[target] = None

    def find(self, key: str) -> dict[Target, None]:
        """Every target with a pattern that takes this key. The empty key has no words, as in RabbitMQ: only ``#`` takes it."""
        found: dict[Target, None] = {}
        self.collect(key.split(".") if key else [], 0, found, set())
        return found

    def collect(self, words: Sequence[str], at: int, found: dict[Target, None], seen: set[tuple[int, int]]) -> None:
        """``seen``: two ``#`` can lead to one place by many ways; each is walked once."""
        if (id(self), at) in seen:
            return
        seen.add((id(self), at))
        if at == len(words):
            found.update(self.targets)
        any_number = self.below.get("#")
        if any_number is not None:
            for rest in range(at, len(words) + 1):
                any_number.collect(words, rest, found, seen)
        if at < len(words):
            for word in (words[at], "*"):
                node = self.below.get(word)
                if node is not None:
                    node.collect(words, at + 1, found, seen)


Find = Callable[[str, Mapping[str, str]], Sequence[Target]]


def finder(kind: str, bindings: Sequence[Binding]) -> Find:
    """How an exchange of this kind finds its targets by routing key and headers."""
    if kind == "topic":
        return by_topic(bindings)
    if kind == "headers":
        return lambda key, headers: [target(one) for one in bindings if takes_headers(one, headers)]
    if kind == "fanout":
        everyone = [target(one) for one in bindings]
        return lambda key, headers: everyone
    return by_key(bindings)


def by_topic(bindings: Sequence[Binding]) -> Find:
    tree = PatternTree()
    for binding in bindings:
        tree.add(binding.pattern, target(binding))
    return lambda key, headers: list(tree.find(key))


def by_key(bindings: Sequence[Binding]) -> Find:
    keys: dict[str, list[Target]] = {}
    for binding in bindings:
        keys.setdefault(binding.pattern, []).append(target(binding))
    return lambda key, headers: keys.get(key, ())


def takes_headers(binding: Binding, headers: Mapping[str, str]) -> bool:
    """A binding without headers takes everything (AMQP 0-9-1 says so of "all", and nobody means nothing by "any")."""
    hits = (headers.get(name) == value for name, value in binding.headers.items())
    return all(hits) if binding.match == "all" or not binding.headers else any(hits)


def target(binding: Binding) -> Target:
    return binding.to, binding.to_exchange


class RoutingTable:
    """Made of a topology; it does not change. From any thread."""

    def __init__(self, topology: Topology) -> None:
        bindings: dict[str, list[Binding]] = {}
        for binding in topology.bindings:
            bindings.setdefault(binding.exchange, []).append(binding)
        self.kinds = {exchange.name: exchange.kind for exchange in topology.exchanges}
        self.alternates = {exchange.name: exchange.alternate for exchange in topology.exchanges if exchange.alternate}
        self.finders = {name: finder(kind, bindings.get(name, ())) for name, kind in self.kinds.items()}
        self.by_headers = "headers" in self.kinds.values()
        self.remembered: dict[tuple[str, str], tuple[str, ...]] = {}

    def route(self, exchange: str, key: str, headers: Mapping[str, str]) -> tuple[str, ...] | None:
        """The queues it goes to, each once; () when there are none, None when there is no such exchange."""
        found = self.remembered.get((exchange, key))
        if found is not None:
            return found
        if exchange not in self.finders:
            return None
        queues = tuple(self.walk(exchange, key, headers, set()))
        if not self.by_headers:
            if len(self.remembered) >= REMEMBERED_MAX:
                self.remembered.clear()
            self.remembered[exchange, key] = queues
        return queues

    def walk(self, exchange: str, key: str, headers: Mapping[str, str], passed: set[str]) -> dict[str, None]:
        """Through exchanges bound to exchanges, each passed once however they are bound. An alternate gets what no binding
        takes, as in RabbitMQ: where a bound exchange leads does not matter."""
        if exchange in passed or exchange not in self.finders:
            return {}
        passed.add(exchange)
        targets = self.finders[exchange](key, headers)
        if not targets and exchange in self.alternates:
            targets = [(self.alternates[exchange], True)]
        queues: dict[str, None] = {}
        for name, is_exchange in targets:
            queues.update(self.walk(name, key, headers, passed) if is_exchange else {name: None})
        return queues

    def has_targets(self, exchange: str, key: str) -> bool:
        """Whether something sent there would go anywhere."""
        return bool(self.route(exchange, key, {}))

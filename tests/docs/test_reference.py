"""Nothing public is missing in the reference: names, options with their defaults, errors."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import postroad
from postroad import App, Exchange, Queue, errors
from postroad.app.outboxes import Outbox
from postroad.engine.deadletters import DeadLetters
from postroad.queues.consumer import ConsumerOptions
from postroad.testing.harness import Testing
from postroad.testing.ledger import Sent

DOCS = Path(__file__).parents[2] / "docs"
QUEUES, EVENTS, ERRORS, OUTBOX = (
    DOCS / "reference" / f"{name}.md" for name in ("queues", "events", "errors", "outbox")
)
TESTING = DOCS / "howto" / "test-your-app.md"

CALLS: list[tuple[Path, Callable[..., Any]]] = [
    (QUEUES, App.queue),
    (QUEUES, Queue.put),
    (QUEUES, Queue.put_many),
    (QUEUES, ConsumerOptions),
    (QUEUES, Queue.receive),
    (QUEUES, App.exchange),
    (QUEUES, Exchange.bind),
    (QUEUES, Exchange.publish),
    (QUEUES, Exchange.publish_many),
    (QUEUES, App.dead_letters),
    (QUEUES, DeadLetters.redrive),
    (QUEUES, DeadLetters.purge),
    (QUEUES, DeadLetters.edit),
    (EVENTS, App.event),
    (EVENTS, App.publish),
    (EVENTS, App.publish_many),
    (EVENTS, App.subscribe),
]

CLASSES: list[tuple[Path, type]] = [
    (QUEUES, Queue),
    (QUEUES, Exchange),
    (QUEUES, postroad.Received),
    (QUEUES, DeadLetters),
    (QUEUES, postroad.DeadLetterRecord),
    (EVENTS, postroad.CloudEvent),
    (OUTBOX, Outbox),
    (TESTING, Testing),
    (TESTING, Sent),
]

INSIDE = {
    Queue: "kind adopt after_fork batches check_alike envelope full_topology order outgoing owned priority rename take_in "
    "taken_by_hand temporary topology used carry changed pulling dead_letters_of",
    Exchange: "kind add adopt batches by_headers check_alike checked_patterns keep outgoing owned topology",
    postroad.Received: "done left say settle",
    DeadLetters: "ask which",
    Outbox: "queue takes",
    Testing: "close consume dead engine next_due ready_stepper",
}
"""Public to the package, not to its users."""


def words(page: Path) -> set[str]:
    return set(re.findall(r"\w+", page.read_text(encoding="utf-8")))


def name_of(one: Any) -> str:
    return str(getattr(one, "__qualname__", one))


@pytest.mark.parametrize(("page", "call"), CALLS, ids=name_of)
def test_every_option_is_there(page: Path, call: Callable[..., Any]) -> None:
    options = [
        name for name in inspect.signature(call).parameters if name not in ("self", "functions", "options", "choice")
    ]
    assert options
    assert not set(options) - words(page)


@pytest.mark.parametrize(("page", "call"), CALLS, ids=name_of)
def test_defaults_are_as_they_are(page: Path, call: Callable[..., Any]) -> None:
    """A default that stands in a table is the one in the code."""
    rows = dict(re.findall(r"(?m)^\| `(\w+)` \|.*\| `([^|]*)` \|$", section(page, call)))
    for name, parameter in inspect.signature(call).parameters.items():
        if name in rows and parameter.default not in (None, inspect.Parameter.empty):
            assert rows[name].strip('"') == str(parameter.default), name


def section(page: Path, call: Callable[..., Any]) -> str:
    """Of the page: what is about this call. Names of options mean different things in different calls."""
    headings = {App.queue: "## app.queue", Queue.put: "### Putting", ConsumerOptions: "### Consuming"}
    headings |= {App.publish: "## Publishing", App.subscribe: "## Subscribing"}
    text = page.read_text(encoding="utf-8")
    heading = headings.get(call)
    return "" if heading is None else text.partition(f"\n{heading}\n")[2].partition("\n## ")[0].partition("\n### ")[0]


@pytest.mark.parametrize(("page", "kind"), CLASSES, ids=name_of)
def test_every_method_is_there(page: Path, kind: type) -> None:
    inside = INSIDE.get(kind, "").split()
    names = {name for name in dir(kind) if not name.startswith("_") and name not in inside}
    assert names
    assert not names - words(page)


def test_every_error_is_there() -> None:
    names = {name for name, one in vars(errors).items() if inspect.isclass(one) and one.__module__ == errors.__name__}
    assert len(names) > 40
    assert not names - words(ERRORS)


def test_every_public_name_is_somewhere() -> None:
    found = set().union(*(words(page) for page in (DOCS / "reference").glob("*.md")))
    assert not set(postroad.__all__) - found - {"__version__"}

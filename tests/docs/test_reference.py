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

VALUES: list[tuple[Path, type]] = [
    (QUEUES, postroad.DeadLetterRecord),
    (EVENTS, postroad.CloudEvent),
    (TESTING, Sent),
]

METHODS: list[tuple[Path, type, str]] = [
    (QUEUES, Queue, "put aput put_many aput_many consumer receive depth adepth peek apeek purge apurge dead_letters"),
    (QUEUES, Exchange, "bind publish apublish publish_many apublish_many"),
    (QUEUES, postroad.Received, "body id headers key attempt message accept release reject"),
    (
        QUEUES,
        DeadLetters,
        "peek apeek count groups show edit redrive aredrive purge apurge export import_",
    ),
    (EVENTS, App, "event publish apublish publish_many apublish_many subscribe"),
    (OUTBOX, App, "outbox inbox"),
    (OUTBOX, Outbox, "publish apublish put aput delay adelay send asend"),
    (TESTING, Testing, "drain advance now sent sent_to calls published dead_letters errors"),
]


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


@pytest.mark.parametrize(("page", "kind"), VALUES, ids=name_of)
def test_every_field_is_there(page: Path, kind: type) -> None:
    names = {name for name in dir(kind) if not name.startswith("_")}
    assert names
    assert not names - words(page)


@pytest.mark.parametrize(("page", "kind", "names"), METHODS, ids=name_of)
def test_every_method_is_there(page: Path, kind: type, names: str) -> None:
    assert not [name for name in names.split() if not hasattr(kind, name)]
    assert not set(names.split()) - words(page)


def test_every_error_is_there() -> None:
    names = {name for name, one in vars(errors).items() if inspect.isclass(one) and one.__module__ == errors.__name__}
    assert len(names) > 40
    assert not names - words(ERRORS)


def test_every_public_name_is_somewhere() -> None:
    found = set().union(*(words(page) for page in (DOCS / "reference").glob("*.md")))
    assert not set(postroad.__all__) - found - {"__version__"}

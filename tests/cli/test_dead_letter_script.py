"""Three kinds of dead letter from their death to their end, as a script over the command line would do it."""

from __future__ import annotations

import itertools
import json
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Market, take_order
from tests.cli.terminal import Terminal, until

FAILING = b'{"fail":  "no such cat \xc3\xa4"}\n'
UNDECODABLE = b"\xff\xfe{'a': 1}\x00\x1b[31m"
EXPIRED = b'{"late": true}'

Letters = dict[str, dict[str, Any]]


def letters(terminal: Terminal, *filters: object) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = terminal.run("dead-letters", *filters, "-o", "json").expect(0).json
    return found


def raw(terminal: Terminal, number: int) -> bytes:
    """The body alone, as bytes."""
    return subprocess.run(
        terminal.command(("dead-letters", "show", number, "--raw")),
        env=terminal.environment({}),
        capture_output=True,
        check=True,
        timeout=60,
    ).stdout


def work_until(market: Market, terminal: Terminal, dead: int, waiting: int = 0) -> None:
    """A worker runs until nothing waits and so many are dead."""

    def settled() -> bool:
        queues = market.app.inspect.queues()
        left = sum(queue.ready + queue.delayed + queue.in_flight for queue in queues)
        return (left, sum(queue.dead for queue in queues)) == (waiting, dead)

    with market.app.worker():
        until(settled)


@pytest.fixture
def died(market: Market, terminal: Terminal) -> Letters:
    """A handler's error, a body that is no JSON, a message that came too late: by kind."""
    market.declare()
    (terminal.folder / "failing.json").write_bytes(FAILING)
    (terminal.folder / "broken.bin").write_bytes(UNDECODABLE)
    (terminal.folder / "late.json").write_bytes(EXPIRED)
    terminal.run("put", "brief", "@late.json").expect(0)
    put_at = time.monotonic()
    terminal.run("put", "orders", "@failing.json", "--header", "who=ada").expect(0)
    terminal.run("put", "orders", "@broken.bin", "--raw").expect(0)
    until(lambda: time.monotonic() - put_at > 0.3)
    work_until(market, terminal, dead=3)
    by_type = {letter["error_type"]: letter for letter in letters(terminal)}
    kinds = {"ValueError": "failed", "Expired": "expired"}
    return {kinds.get(error_type, "undecodable"): letter for error_type, letter in by_type.items()}


def test_the_whole_way(died: Letters, market: Market, terminal: Terminal, tmp_path: Path) -> None:
    assert set(died) == {"failed", "undecodable", "expired"}
    numbers = {kind: letter["number"] for kind, letter in died.items()}

    # Listed and filtered.
    assert died["failed"]["reason"] == "ValueError: no such cat ä"
    assert died["expired"]["reason"].startswith("expired")
    by_error = [letter["number"] for letter in letters(terminal, "--error", "ValueError")]
    assert by_error == [numbers["failed"]]
    assert [letter["number"] for letter in letters(terminal, "--source", "brief")] == [numbers["expired"]]
    assert [letter["number"] for letter in letters(terminal, "--reason", "no such cat")] == [numbers["failed"]]
    fingerprint = died["undecodable"]["fingerprint"]
    assert [letter["number"] for letter in letters(terminal, "--fingerprint", fingerprint[:12])] == [
        numbers["undecodable"]
    ]
    assert letters(terminal, "--task", "shop.add") == []
    assert len(letters(terminal, "--since", "1h")) == 3 and letters(terminal, "--until", "1h") == []
    groups = terminal.run("dead-letters", "groups", "-o", "json").expect(0).json
    assert [group["count"] for group in groups] == [1, 1, 1]

    # Shown, byte for byte.
    assert raw(terminal, numbers["failed"]) == FAILING
    assert raw(terminal, numbers["undecodable"]) == UNDECODABLE
    assert raw(terminal, numbers["expired"]) == EXPIRED

    # Exported, purged, and taken in again: the same letters.
    said = terminal.run("dead-letters", "export", "letters.jsonl").expect(0)
    assert "wrote 3 dead letters" in said.err
    terminal.run("dead-letters", "purge").expect(2)
    purged = terminal.run("dead-letters", "purge", "--yes", "-o", "json").expect(0)
    assert purged.json == {"count": 3, "refused": ""}
    assert letters(terminal) == []
    taken = terminal.run("dead-letters", "import", "letters.jsonl", "-o", "json").expect(0)
    assert taken.json == {"count": 3, "present": 0}
    again = terminal.run("dead-letters", "import", "letters.jsonl", "-o", "json").expect(0)
    assert again.json == {"count": 0, "present": 3}
    back = {letter["id"]: letter for letter in letters(terminal)}
    for kind, letter in died.items():
        same = {name: value for name, value in letter.items() if name != "number"}
        assert {name: value for name, value in back[letter["id"]].items() if name != "number"} == same, kind
        numbers[kind] = back[letter["id"]]["number"]
    assert raw(terminal, numbers["undecodable"]) == UNDECODABLE

    # Edited: one is still invalid, and dies again, visibly; two come right.
    edited = terminal.run("dead-letters", "edit", numbers["undecodable"], "--body", "[1]", "-o", "json").expect(0).json
    assert (edited["body"], edited["edited"]) == ("[1]", True)
    fixed = terminal.run(
        "dead-letters",
        "edit",
        numbers["failed"],
        "--body",
        "{}",
        "--header",
        "by=ada",
        "--no-header",
        "who",
        "-o",
        "json",
    )
    assert fixed.expect(0).json["headers"] == {"by": "ada"}
    would = terminal.run("dead-letters", "redrive", "--source", "orders", "--dry-run").expect(0)
    assert "would send again: 2 dead letters" in would.out
    redriven = terminal.run("dead-letters", "redrive", "--source", "orders", "--yes", "-o", "json").expect(0)
    assert redriven.json == {"count": 2, "refused": ""}
    work_until(market, terminal, dead=2)
    second, first = letters(terminal)
    assert (first["number"], first["deaths"]) == (numbers["expired"], 1)
    assert (second["id"], second["deaths"], second["edited"]) == (died["undecodable"]["id"], 2, True)

    # Purged by number; what is not there is said.
    terminal.run("dead-letters", "purge", second["number"], "4711", "--yes").expect(3)
    terminal.run("dead-letters", "purge", second["number"], "--yes").expect(5)
    terminal.run("dead-letters", "purge", first["number"], "--yes").expect(0)
    assert terminal.run("dead-letters").expect(0).out == "No dead letters.\n"


def test_a_crash_is_a_kind_too(terminal: Terminal, tmp_path: Path) -> None:
    (terminal.folder / "crashing.py").write_text(CRASHING)
    terminal.run("topology", "apply", "crashing:app", "--yes").expect(0)
    terminal.run("put", "fatal", '{"end": "now"}').expect(0)
    with terminal.started("worker", "crashing:app"):
        until(lambda: letters(terminal))
    (letter,) = letters(terminal)
    assert letter["crashes"] == 1 and letter["reason"]
    assert raw(terminal, letter["number"]) == b'{"end": "now"}'


def test_redriving_to_a_full_queue_is_partial(market: Market, terminal: Terminal) -> None:
    market.small.consumer(take_order)
    market.declare()
    terminal.run("put", "small", '{"fail": "no"}', "--count", "2").expect(0)
    work_until(market, terminal, dead=2)
    terminal.run("put", "small", "{}").expect(0)
    said = terminal.run("dead-letters", "redrive", "--yes", "-o", "json").expect(3)
    assert said.json["count"] == 1 and "small" in said.json["refused"]
    assert "stays a dead letter" in said.err
    assert len(letters(terminal)) == 1
    terminal.run("dead-letters", "redrive", letters(terminal)[0]["number"], "--yes").expect(3)


def test_redriven_at_a_rate(market: Market, terminal: Terminal) -> None:
    market.declare()
    terminal.run("put", "orders", '{"fail": "no"}', "--count", "5").expect(0)
    work_until(market, terminal, dead=5)
    terminal.run("dead-letters", "redrive", "--rate", "fast", "--yes").expect(2)
    terminal.run("dead-letters", "redrive", "--rate", "6/m", "--yes").expect(0)
    due = [message["due_at"] for message in terminal.run("queues", "peek", "orders", "-o", "json").expect(0).json]
    assert [round(later - sooner) for sooner, later in itertools.pairwise(due)] == [10] * 4


@pytest.mark.parametrize(
    ("content", "code", "words"),
    [
        (b"no json\n", 1, "line 1"),
        (b'{"number": 1}\n', 1, "line 1"),
        (b"", 0, "0 dead letters taken in"),
    ],
)
def test_a_file_that_is_no_export(content: bytes, code: int, words: str, market: Market, terminal: Terminal) -> None:
    market.declare()
    (terminal.folder / "letters.jsonl").write_bytes(content)
    said = terminal.run("dead-letters", "import", "letters.jsonl").expect(code)
    assert words in said.out + said.err
    terminal.run("dead-letters", "import", "nowhere.jsonl").expect(5)


def test_a_file_with_one_broken_line_or_an_unknown_queue_takes_nothing_in(
    died: Letters, market: Market, terminal: Terminal
) -> None:
    lines = terminal.run("dead-letters", "export").expect(0).out.splitlines()
    terminal.run("dead-letters", "purge", "--yes").expect(0)
    file = terminal.folder / "letters.jsonl"
    file.write_text("\n".join([*lines, lines[0][:-5]]))
    assert "line 4" in terminal.run("dead-letters", "import", "letters.jsonl").expect(1).err
    elsewhere = json.dumps({**json.loads(lines[0]), "source": "elsewhere"})
    file.write_text("\n".join([*lines, elsewhere]))
    assert "There is no queue 'elsewhere'" in terminal.run("dead-letters", "import", "letters.jsonl").expect(5).err
    assert letters(terminal) == []


def test_editing_nothing_or_what_is_not_there(died: Letters, terminal: Terminal) -> None:
    number = died["failed"]["number"]
    assert "Nothing to change" in terminal.run("dead-letters", "edit", number).expect(2).err
    assert "no such header" in terminal.run("dead-letters", "edit", number, "--no-header", "x").expect(2).err
    assert "no JSON" in terminal.run("dead-letters", "edit", number, "--body", "{'a'}").expect(2).err
    terminal.run("dead-letters", "edit", "4711", "--body", "{}").expect(5)
    assert raw(terminal, number) == FAILING


CRASHING = """
import os
from pathlib import Path
from typing import Any
from postroad import App

app = App(f"sqlite:///{Path(__file__).parent}/shop.db")
fatal = app.queue("fatal")

@fatal.consumer(max_deliveries=1)
def handle(body: dict[str, Any]) -> None:
    os._exit(1)
"""

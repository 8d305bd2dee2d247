"""Verbs that destroy or move: a preview, then --yes; --dry-run; --limit."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from tests.cli.conftest import Shop
from tests.cli.terminal import Terminal


def ready(terminal: Terminal, queue: str) -> int:
    found = {one["queue"]: one["ready"] for one in terminal.run("queues", "-o", "json").json}
    return int(found[queue])


def dead(terminal: Terminal) -> int:
    return len(terminal.run("dead-letters", "-o", "jsonl").lines)


def test_purge_previews_then_needs_yes(shop: Shop, terminal: Terminal) -> None:
    for number in range(3):
        shop.resize.delay(f"{number}.png")
    said = terminal.run("queues", "purge", "media").expect(2)
    assert "would delete 3 waiting messages of queue 'media' (3 ready" in said.err and "--yes" in said.err
    assert "would delete 3 waiting" in terminal.run("queues", "purge", "media", "--dry-run").expect(0).out
    assert ready(terminal, "media") == 3
    assert "deleted 2 messages" in terminal.run("queues", "purge", "media", "--yes", "--limit", "2").expect(0).out
    assert ready(terminal, "media") == 1
    assert "deleted 1 message of" in terminal.run("queues", "purge", "media", "--yes").expect(0).out
    assert ready(terminal, "media") == 0


def test_dry_run_wins_over_yes(shop: Shop, terminal: Terminal) -> None:
    shop.resize.delay("cat.png")
    terminal.run("queues", "purge", "media", "--dry-run", "--yes").expect(0)
    assert ready(terminal, "media") == 1


def test_purging_a_queue_that_is_not_there(shop: Shop, terminal: Terminal) -> None:
    shop.resize.delay("cat.png")
    assert "There is no queue 'meda'" in terminal.run("queues", "purge", "meda", "--yes").expect(5).err


def test_cancel(shop: Shop, terminal: Terminal) -> None:
    first, second = shop.resize.delay("cat.png"), shop.resize.delay("dog.png")
    assert "cancel 1 task (shop.resize" in terminal.run("tasks", "cancel", first.id).expect(2).err
    assert first.status().state == "PENDING"
    terminal.run("tasks", "cancel", first.id, "nowhere", "--yes", "--reason", "no cats").expect(3)
    assert first.status().state == "REVOKED"
    shown = terminal.run("tasks", "show", first.id, "-o", "json").json
    assert (shown["state"], shown["reason"]) == ("REVOKED", "no cats")
    assert second.status().state == "PENDING"
    assert "is REVOKED already" in terminal.run("tasks", "cancel", first.id, "--yes").expect(5).err


def test_retry_sends_a_dead_task_again(shop: Shop, terminal: Terminal) -> None:
    (id,) = shop.fail_with("no")
    assert terminal.run("tasks", "retry", id, "--dry-run").expect(0).out.startswith("would send 1 task")
    terminal.run("tasks", "retry", id).expect(2)
    assert dead(terminal) == 1
    terminal.run("tasks", "retry", id, "--yes").expect(0)
    assert dead(terminal) == 0
    assert terminal.run("tasks", "show", id, "-o", "json").json["state"] == "PENDING"
    assert "not a dead letter" in terminal.run("tasks", "retry", id, "--yes").expect(5).err


def test_dead_letters_are_listed_grouped_and_shown(shop: Shop, terminal: Terminal) -> None:
    shop.fail_with("one", "one", "another")
    letters = terminal.run("dead-letters", "-o", "json").expect(0).json
    assert [letter["number"] for letter in letters] == [3, 2, 1]
    assert sorted(letter["reason"] for letter in letters) == sorted(
        ["ValueError: one", "ValueError: one", "ValueError: another"]
    )
    groups = terminal.run("dead-letters", "--group", "-o", "json").expect(0).json
    assert sum(group["count"] for group in groups) == 3 and groups[0]["count"] >= 2
    by_number = terminal.run("dead-letters", "show", "1", "-o", "json").expect(0).json
    by_id = terminal.run("dead-letters", "show", by_number["id"], "-o", "json").expect(0).json
    assert by_number == by_id
    text = terminal.run("dead-letters", "show", "1").expect(0).out
    assert "raise ValueError(text)" in text and by_number["id"] in text
    assert "There is no dead letter '9'" in terminal.run("dead-letters", "show", "9").expect(5).err


def test_dead_letters_by_filter_and_page(shop: Shop, terminal: Terminal) -> None:
    shop.fail_with("one", "two", "three")
    newest = terminal.run("dead-letters", "--limit", "1", "-o", "jsonl").expect(0).lines
    assert [letter["number"] for letter in newest] == [3]
    rest = terminal.run("dead-letters", "--before", "3", "-o", "jsonl").expect(0).lines
    assert [letter["number"] for letter in rest] == [2, 1]
    assert terminal.run("dead-letters", "--error", "KeyError").expect(0).out == "No dead letters.\n"
    assert len(terminal.run("dead-letters", "--error", "ValueError", "-o", "jsonl").lines) == 3
    assert "There is no queue" in terminal.run("dead-letters", "--queue", "nowhere").expect(5).err


@pytest.mark.parametrize("verb", ["redrive", "purge"])
def test_acts_on_dead_letters_preview_then_need_yes(verb: str, shop: Shop, terminal: Terminal) -> None:
    shop.fail_with("one", "two", "three")
    said = terminal.run("dead-letters", verb).expect(2)
    assert "3 dead letters" in said.err and "ValueError" in said.err
    terminal.run("dead-letters", verb, "--dry-run").expect(0)
    assert dead(terminal) == 3
    assert "2 dead letters" in terminal.run("dead-letters", verb, "--yes", "--limit", "2").expect(0).out
    assert dead(terminal) == 1
    assert ready(terminal, "default") == (2 if verb == "redrive" else 0)


@pytest.mark.parametrize("verb", ["redrive", "purge"])
def test_acts_on_dead_letters_by_number_and_id(verb: str, shop: Shop, terminal: Terminal) -> None:
    first, second, _third = shop.fail_with("one", "two", "three")
    numbers = {letter["id"]: letter["number"] for letter in terminal.run("dead-letters", "-o", "jsonl").lines}
    said = terminal.run("dead-letters", verb, first, numbers[second], "99", "--yes").expect(3)
    assert "There is no dead letter '99'" in said.err
    left = terminal.run("dead-letters", "-o", "jsonl").lines
    assert [letter["id"] for letter in left] == [_third]
    terminal.run("dead-letters", verb, "99", "--yes").expect(5)


def test_a_redriven_task_can_succeed(shop: Shop, terminal: Terminal) -> None:
    (id,) = shop.fail_with("no")
    terminal.run("dead-letters", "redrive", id, "--yes").expect(0)
    assert shop.app.result(id).status().state == "PENDING"


def test_export_gives_whole_letters_and_overwrites_nothing(shop: Shop, terminal: Terminal, tmp_path: Path) -> None:
    ids = shop.fail_with("one", "zwei \u00e4")
    exported = terminal.run("dead-letters", "export").expect(0).lines
    assert sorted(letter["message"]["id"] for letter in exported) == sorted(ids)
    bodies = [base64.b64decode(letter["message"]["body"]) for letter in exported]
    assert {json.loads(body)[0][0] for body in bodies} == {"one", "zwei \u00e4"}
    assert [letter["number"] for letter in exported] == [1, 2]
    assert all(letter["history"][0]["traceback"] for letter in exported)
    file = tmp_path / "letters.jsonl"
    assert "wrote 2 dead letters" in terminal.run("dead-letters", "export", "--file", file).expect(0).err
    assert [json.loads(line) for line in file.read_text().splitlines()] == exported
    assert "is there already" in terminal.run("dead-letters", "export", "--file", file).expect(2).err
    assert dead(terminal) == 2

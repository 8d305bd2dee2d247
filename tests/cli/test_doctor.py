"""``postroad doctor``: what is wrong, why, what to do."""

from __future__ import annotations

import os
import signal
import time

import pytest
from tests.cli.conftest import Shop
from tests.cli.terminal import Terminal, until

from postroad import App
from postroad.core.message import Address, Message, Send

PAGE_BYTES = 4096


def levels(terminal: Terminal, *words: str) -> dict[str, list[str]]:
    """The findings' levels by subject."""
    found: dict[str, list[str]] = {}
    for finding in terminal.run("doctor", *words, "-o", "jsonl").lines:
        found.setdefault(finding["subject"], []).append(finding["level"])
    return found


def said(terminal: Terminal, subject: str) -> str:
    findings = terminal.run("doctor", "-o", "jsonl").expect(1).lines
    (finding,) = [finding for finding in findings if finding["subject"] == subject and finding["level"] == "wrong"]
    assert finding["why"] and finding["do"]
    return str(finding["what"])


def test_all_is_well(shop: Shop, terminal: Terminal) -> None:
    shop.add.delay(1, 2)
    found = levels(terminal, "--deep")
    assert {level for levels_ in found.values() for level in levels_} <= {"ok", "note"}
    assert {"file", "sqlite", "file system", "run folder", "log (WAL)", "disk", "integrity", "workers"} <= found.keys()
    assert "every page is sound" in terminal.run("doctor", "--deep").expect(0).out


def test_a_queue_that_nobody_consumes(shop: Shop, terminal: Terminal) -> None:
    shop.resize.delay("cat.png")
    send_old(shop, 3600.0)
    assert said(terminal, "queues") == "media: 2 messages ready, the oldest for 60m"


def send_old(shop: Shop, age_s: float) -> None:
    """A message that was sent long ago, before the one in its queue."""
    message = Message("old", b"[[],{}]", queued_at=time.time() - age_s, priority=9)
    shop.app.ask(lambda driver: driver.publish([Send(Address("media"), message)]))


def test_a_stopped_worker_holds_what_nobody_else_may_take(shop: Shop, terminal: Terminal, module: str) -> None:
    with terminal.started("worker", module) as process:
        (row,) = until(lambda: terminal.run("workers", "-o", "json").json if terminal.file.exists() else None)
        os.kill(row["pid"], signal.SIGSTOP)
        try:
            until(lambda: terminal.run("workers", "-o", "json").json[0]["state"] == "stopped")
            assert f"process {row['pid']}" in said(terminal, "workers")
        finally:
            os.kill(row["pid"], signal.SIGCONT)
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def test_a_task_whose_name_no_worker_knows(shop: Shop, terminal: Terminal) -> None:
    shop.work_off(shop.add.delay(1, 2))
    terminal.run("send", "shop.unheard_of").expect(0)
    with shop.app.worker(threads=1, queues=["default"]):
        until(lambda: terminal.run("tasks", "--name", "shop.unheard_of", "-o", "json").json[0]["history"])
    assert "1 task named 'shop.unheard_of'" in said(terminal, "tasks")


def test_open_permissions(shop: Shop, terminal: Terminal) -> None:
    shop.add.delay(1, 2)
    terminal.file.chmod(0o644)
    assert levels(terminal)["file"] == ["note"]
    assert "chmod 600" in terminal.run("doctor").out
    terminal.file.with_name("shop.db-run").chmod(0o755)
    assert "mode 755" in said(terminal, "run folder")


def test_dead_letters_are_worth_a_note(shop: Shop, terminal: Terminal) -> None:
    shop.fail_with("one", "two")
    assert levels(terminal)["dead letters"] == ["note"]
    assert "2 letters" in terminal.run("doctor").out


def test_a_damaged_page_is_found_with_deep(terminal: Terminal) -> None:
    damaged(terminal)
    findings = terminal.run("doctor", "--deep", "-o", "jsonl").expect(1).lines
    assert "wrong" in [finding["level"] for finding in findings if finding["subject"] in ("integrity", "engine")]


def damaged(terminal: Terminal) -> None:
    """An engine whose file has a page of noise."""
    with App(terminal.url) as app:
        Shop(app).resize.delay("cat.png")
    size = terminal.file.stat().st_size
    with terminal.file.open("r+b") as file:
        file.seek(PAGE_BYTES)
        file.write(b"\xa5" * (size - PAGE_BYTES))


def test_a_file_that_is_no_database(terminal: Terminal) -> None:
    terminal.file.write_text("shopping list")
    out = terminal.run("doctor").expect(1).out
    assert "wrong  engine" in out and "is no SQLite database" in out


@pytest.mark.parametrize("words", [(), ("--deep",)])
def test_looking_changes_nothing(words: tuple[str, ...], shop: Shop, terminal: Terminal) -> None:
    shop.add.delay(1, 2)
    before = terminal.run("tasks", "-o", "json").json
    terminal.run("doctor", *words).expect(0)
    assert terminal.run("tasks", "-o", "json").json == before

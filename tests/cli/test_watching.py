"""What goes by and how it goes: events, check, top, and what doctor says of them."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
from typing import Any

import pytest
from tests.cli.conftest import Market
from tests.cli.terminal import Terminal, until


def findings(terminal: Terminal, subject: str) -> list[dict[str, str]]:
    found: list[dict[str, str]] = terminal.run("doctor", "-o", "json").json
    return [finding for finding in found if finding["subject"] == subject]


def tailing(terminal: Terminal) -> bool:
    groups = terminal.run("events", "groups", "-o", "json").json
    return any(group["temporary"] and group["consumers"] for group in groups)


# Events


def test_types_and_groups(market: Market, terminal: Terminal) -> None:
    market.app.subscribe("invoice.paid", group="books")(lambda event: None)
    market.declare()
    types = terminal.run("events", "-o", "json").expect(0).json
    assert [(one["type"], one["groups"], one["source"]) for one in types] == [("invoice.paid", ["books"], None)]
    groups = {group["group"]: group for group in terminal.run("events", "groups", "-o", "json").expect(0).json}
    assert set(groups) == {"audit", "books"}
    assert (groups["audit"]["patterns"], groups["audit"]["consumers"]) == (["order.*"], 0)
    assert "nobody" in terminal.run("events", "groups").expect(0).out
    with market.app.worker():
        assert terminal.run("events", "groups", "-o", "json").expect(0).json[0]["consumers"] == 1


def test_tail_prints_what_is_published_and_leaves_nothing_behind(market: Market, terminal: Terminal) -> None:
    market.declare()
    with terminal.started("events", "tail", "order.*", "-o", "jsonl", "--count", "2", "--timeout", "30s") as tail:
        until(lambda: tailing(terminal))
        for type in ("order.created", "user.born", "order.paid"):
            terminal.run("publish", type, f'{{"is": "{type}"}}').expect(0)
        out, _err = tail.communicate(timeout=30)
        assert tail.returncode == 0
    events = [json.loads(line) for line in out.splitlines()]
    assert [(event["type"], event["body"]) for event in events] == [
        ("order.created", '{"is": "order.created"}'),
        ("order.paid", '{"is": "order.paid"}'),
    ]
    assert len(terminal.run("queues", "peek", "events.audit", "-o", "json").expect(0).json) == 2
    assert [group["group"] for group in terminal.run("events", "groups", "-o", "json").json] == ["audit"]


def test_tail_ends_with_its_time_and_with_ctrl_c(market: Market, terminal: Terminal) -> None:
    market.declare()
    terminal.run("events", "tail", "--timeout", "0.3s", "--count", "1").expect(7)
    terminal.run("events", "tail", "--timeout", "0.3s").expect(0)
    with terminal.started("events", "tail") as tail:
        until(lambda: tailing(terminal))
        tail.send_signal(signal.SIGINT)
        assert tail.wait(timeout=20) == 130
    assert "Traceback" not in (tail.stderr.read() if tail.stderr and not tail.stderr.closed else "")
    until(lambda: [group["group"] for group in terminal.run("events", "groups", "-o", "json").json] == ["audit"])


def test_tail_with_a_wrong_pattern(market: Market, terminal: Terminal) -> None:
    market.declare()
    assert "mixes a wildcard with letters" in terminal.run("events", "tail", "order*").expect(2).err


# Check


def test_check_a_queue(market: Market, terminal: Terminal) -> None:
    market.declare()
    terminal.run("put", "orders", "{}", "--count", "3").expect(0)
    said = terminal.run("check", "queue", "orders", "--max-age", "60s", "--max-length", "3", "--max-dead", "0").expect(
        0
    )
    assert said.out.startswith("OK queue orders: oldest ") and said.out.count("\n") == 1
    exceeded = terminal.run("check", "queue", "orders", "--max-length", "2", "--min-consumers", "1").expect(1)
    assert exceeded.out == "EXCEEDED queue orders: 3 waiting (more than 2), 0 consumers (fewer than 1)\n"
    in_json = terminal.run("check", "queue", "orders", "--max-length", "2", "-o", "json").expect(1).json
    assert in_json["ok"] is False
    assert in_json["checks"] == [{"name": "length", "value": 3, "limit": 2, "ok": False}]
    until(lambda: terminal.run("check", "queue", "orders", "--max-age", "0.1s").code == 1)
    with market.app.worker():
        until(lambda: terminal.run("check", "queue", "orders", "--max-length", "0", "--min-consumers", "1").code == 0)


def test_check_what_is_not_there_or_nothing(market: Market, terminal: Terminal) -> None:
    market.declare()
    terminal.run("check", "queue", "nowhere", "--max-length", "1").expect(5)
    assert "Say what to check" in terminal.run("check", "queue", "orders").expect(2).err
    terminal.run("check").expect(2)
    terminal.run("check", "queue", "orders", "--max-length", "-1").expect(2)
    terminal.run("check", "queue", "orders", "--max-length", "1", "--url", "sqlite:///nowhere.db").expect(6)


def test_check_dead_letters(market: Market, terminal: Terminal) -> None:
    market.declare()
    terminal.run("check", "dead-letters").expect(0)
    terminal.run("put", "orders", '{"fail": "no"}').expect(0)
    with market.app.worker():
        until(lambda: terminal.run("check", "dead-letters").code == 1)
    assert "1 in all queues (more than 0)" in terminal.run("check", "dead-letters").expect(1).out
    terminal.run("check", "dead-letters", "--max", "1").expect(0)


# Statistics


def worked(market: Market, terminal: Terminal) -> dict[str, Any]:
    """Three orders of which one fails, and an event; then one picture of it."""
    market.declare()
    terminal.run("put", "orders", "{}", "--count", "3").expect(0)
    terminal.run("put", "orders", '{"fail": "no"}').expect(0)
    terminal.run("publish", "order.created", "{}").expect(0)
    with market.app.worker():
        until(lambda: sum(one.flow.consumed for one in market.app.inspect.statistics().queues) == 5)
    picture: dict[str, Any] = terminal.run("top", "-o", "json").expect(0).json
    return picture


def test_top_shows_queues_handlers_and_rates(market: Market, terminal: Terminal) -> None:
    picture = worked(market, terminal)
    queues = {queue["queue"]: queue for queue in picture["queues"]}
    assert queues["orders"]["dead_letters"] == 1 and queues["orders"]["error_rate"] == 0.25
    assert queues["orders"]["consumed_per_s"] > 0 and queues["orders"]["wait_p95_s"] > 0
    handlers = {handler["queue"]: handler for handler in picture["handlers"]}
    assert (handlers["orders"]["consumed"], handlers["orders"]["failed"], handlers["orders"]["dead"]) == (4, 1, 1)
    assert handlers["events.audit"]["consumed"] == 1
    assert 0 < handlers["orders"]["run_p50_s"] <= handlers["orders"]["run_p99_s"] < 10
    text = terminal.run("top", "--once", "--window", "1h").expect(0).out
    assert "\x1b" not in text and "25.0%" in text and "WAIT P95" in text


def test_what_expired_is_dead_without_a_run(market: Market, terminal: Terminal) -> None:
    market.declare()
    terminal.run("put", "brief", "{}").expect(0)
    until(lambda: terminal.run("check", "queue", "brief", "--max-age", "0.3s").code == 1)
    with market.app.worker():
        until(lambda: market.app.inspect.statistics().queues[0].flow.dead)
    brief = market.app.inspect.statistics().queues[0]
    assert (brief.queue, brief.flow.consumed, brief.flow.dead) == ("brief", 0, 1)


def test_top_twice_tells_the_rate_in(market: Market, terminal: Terminal) -> None:
    worked(market, terminal)
    first, second = terminal.run("top", "--count", "2", "-o", "jsonl").expect(0).lines
    rates = {queue["queue"]: queue["published_per_s"] for queue in second["queues"]}
    assert second["at"] > first["at"] and rates["orders"] == 0.0


def test_top_on_a_terminal_draws_again_until_ctrl_c(market: Market, terminal: Terminal) -> None:
    worked(market, terminal)
    reader, writer = pty.openpty()
    process = subprocess.Popen(
        terminal.command(("top",)),
        stdout=writer,
        stderr=subprocess.PIPE,
        env=terminal.environment({}),
        cwd=terminal.folder,
    )
    os.close(writer)
    seen = b""
    try:
        while seen.count(b"\x1b[H\x1b[2J") < 2:
            seen += os.read(reader, 65_536)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 130
    finally:
        process.kill()
        process.communicate()
        os.close(reader)
    assert seen.count(b"HANDLER") >= 1


def test_statistics_can_be_left_away(market: Market, terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSTROAD_STATISTICS", "off")
    market.declare()
    terminal.run("put", "orders", "{}").expect(0)
    with market.app.worker():
        until(lambda: terminal.run("check", "queue", "orders", "--max-length", "0").code == 0)
    assert market.app.inspect.statistics().handlers == ()


# Doctor


def test_doctor_names_groups_that_nobody_consumes(market: Market, terminal: Terminal) -> None:
    market.declare()
    assert findings(terminal, "events") == []
    terminal.run("publish", "order.created", "{}").expect(0)
    (finding,) = findings(terminal, "events")
    assert finding["level"] == "wrong" and "group 'audit': 1 event waiting" in finding["what"]
    assert "postroad queues delete events.audit" in finding["do"]
    terminal.run("doctor").expect(1)


def test_doctor_names_full_queues_and_what_went_to_nobody(market: Market, terminal: Terminal) -> None:
    market.declare()
    terminal.run("put", "small", "1", "--count", "2").expect(0)
    terminal.run("publish", "user.born", "{}").expect(0)
    (full,) = findings(terminal, "queues")
    assert full["level"] == "wrong" and "small: 2 wait, and its max_length is 2" in full["what"]
    (unrouted,) = findings(terminal, "events")
    assert unrouted["level"] == "note" and "1 message went to nobody" in unrouted["what"]
    assert "'user.born'" in unrouted["what"]

"""Messages and events from the command line; looking into queues and deleting them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from tests.cli.conftest import Market
from tests.cli.terminal import Terminal


def waiting(terminal: Terminal, queue: str) -> list[dict[str, object]]:
    found: list[dict[str, object]] = terminal.run("queues", "peek", queue, "-o", "json").expect(0).json
    return found


def test_put_sends_the_bytes_as_they_are_given(market: Market, terminal: Terminal) -> None:
    market.declare()
    body = '{"b": 1,  "a": "ä\\u00e4"}'
    sent = terminal.run("put", "orders", body, "--header", "who=ada", "--header", "why=x=y", "--key", "k", "-o", "json")
    (message,) = waiting(terminal, "orders")
    assert message["id"] == sent.expect(0).json["id"]
    assert (message["body"], message["key"], message["place"]) == (body, "k", "ready")
    assert message["headers"] == {"who": "ada", "why": "x=y"}
    assert message["content_type"] == "application/json"


def test_put_from_a_file_and_from_standard_input(market: Market, terminal: Terminal, tmp_path: Path) -> None:
    market.declare()
    (tmp_path / "body.json").write_bytes(b'{"from": "file"}\n')
    terminal.run("put", "orders", "@body.json").expect(0)
    done = subprocess.run(
        terminal.command(("put", "orders", "-")),
        input=b'{"from": "pipe"}',
        env=terminal.environment({}),
        cwd=terminal.folder,
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert [message["body"] for message in waiting(terminal, "orders")] == ['{"from": "file"}\n', '{"from": "pipe"}']
    assert "no-such-file cannot be read" in terminal.run("put", "orders", "@no-such-file").expect(5).err


def test_put_refuses_what_is_no_json_but_not_raw(market: Market, terminal: Terminal) -> None:
    market.declare()
    assert "no JSON" in terminal.run("put", "orders", "{'a': 1}").expect(2).err
    assert "no JSON" in terminal.run("put", "orders", "NaN").expect(2).err
    assert "no JSON" in terminal.run("put", "orders", "[" * 10_000).expect(2).err
    assert waiting(terminal, "orders") == []
    terminal.run("put", "orders", "{'a': 1}", "--raw").expect(0)
    (message,) = waiting(terminal, "orders")
    assert (message["body"], message["content_type"]) == ("{'a': 1}", "application/octet-stream")


def test_put_later_by_priority_and_many(market: Market, terminal: Terminal) -> None:
    market.declare()
    terminal.run("put", "ranked", "1", "--priority", "1").expect(0)
    terminal.run("put", "ranked", "2", "--priority", "9").expect(0)
    terminal.run("put", "ranked", "3", "--delay", "5m").expect(0)
    assert [(one["body"], one["place"]) for one in waiting(terminal, "ranked")] == [
        ("2", "ready"),
        ("1", "ready"),
        ("3", "delayed"),
    ]
    assert terminal.run("put", "orders", "{}", "--count", "1203", "-o", "json").expect(0).json["count"] == 1203
    assert len(terminal.run("queues", "peek", "orders", "--limit", "5", "-o", "jsonl").expect(0).lines) == 5
    found = {one["queue"]: one for one in terminal.run("queues", "-o", "json").expect(0).json}
    assert (found["orders"]["ready"], found["orders"]["published"]) == (1203, 1203)
    assert (found["orders"]["carries"], found["small"]["max_length"]) == ("messages", 2)


def test_a_priority_for_a_queue_without_any(market: Market, terminal: Terminal) -> None:
    market.declare()
    assert "has no priorities" in terminal.run("put", "orders", "1", "--priority", "3").expect(2).err


def test_put_where_nothing_is_declared(market: Market, terminal: Terminal) -> None:
    market.declare()
    said = terminal.run("put", "order", "1").expect(5)
    assert "There is no queue 'order'; did you mean 'orders'?" in said.err


def test_put_into_a_queue_of_tasks(market: Market, terminal: Terminal) -> None:
    market.declare()
    assert "postroad send" in terminal.run("put", "default", "1").expect(2).err


def test_put_into_a_full_queue(market: Market, terminal: Terminal) -> None:
    market.declare()
    said = terminal.run("put", "small", "1", "--count", "5").expect(1)
    assert "full" in said.err or "max_length" in said.err
    assert len(waiting(terminal, "small")) == 2


def test_the_same_id_again(market: Market, terminal: Terminal) -> None:
    market.declare()
    for _ in range(2):
        terminal.run("put", "orders", "1", "--id", "invoice-7").expect(0)
    assert [message["id"] for message in waiting(terminal, "orders")] == ["invoice-7"]
    assert "--count" in terminal.run("put", "orders", "1", "--id", "x", "--count", "2").expect(2).err


@pytest.mark.parametrize("words", [("--header", "nothing"), ("--header", "=v"), ("--priority", "10"), ("--count", "0")])
def test_wrong_usage_of_put(words: tuple[str, str], market: Market, terminal: Terminal) -> None:
    market.declare()
    terminal.run("put", "orders", "1", *words).expect(2)


def test_headers_of_the_engine_are_its_own(market: Market, terminal: Terminal) -> None:
    market.declare()
    assert "engine's own" in terminal.run("put", "orders", "1", "--header", "postroad-task=x").expect(2).err


def test_publish_to_a_group(market: Market, terminal: Terminal) -> None:
    market.declare()
    said = terminal.run(
        "publish", "order.created", '{"id": 1}', "--source", "shop", "--subject", "1", "--key", "1", "-o", "json"
    ).expect(0)
    assert said.json["groups"] == 1 and not said.err
    (event,) = waiting(terminal, "events.audit")
    assert event["body"] == '{"id": 1}' and event["id"] == said.json["id"] and event["key"] == "1"
    assert event["headers"] == {"ce_type": "order.created", "ce_source": "shop", "ce_subject": "1"}


def test_publish_to_nobody(market: Market, terminal: Terminal) -> None:
    market.declare()
    said = terminal.run("publish", "user.born", '{"id": 1}', "-o", "json").expect(0)
    assert said.json["groups"] == 0 and "No group subscribes to 'user.born'" in said.err
    (unrouted,) = terminal.run("events", "unrouted", "-o", "json").expect(0).json
    assert (unrouted["id"], unrouted["routing_key"], unrouted["body"]) == (said.json["id"], "user.born", '{"id": 1}')
    again = terminal.run("publish", "user.born", "{}", "--mandatory").expect(1)
    assert "No group subscribes" in again.err
    assert len(terminal.run("events", "unrouted", "-o", "jsonl").expect(0).lines) == 1


def test_publish_where_nobody_ever_subscribed(terminal: Terminal, market: Market) -> None:
    market.app.task(name="shop.x")(lambda: None).delay()
    terminal.run("publish", "user.born", "{}").expect(0)
    assert len(terminal.run("events", "unrouted", "-o", "jsonl").expect(0).lines) == 1


def test_looking_into_a_queue_that_is_empty_or_not_there(market: Market, terminal: Terminal) -> None:
    market.declare()
    assert terminal.run("queues", "peek", "orders").expect(0).out == "Nothing waits in queue 'orders'.\n"
    assert "There is no queue 'nowhere'" in terminal.run("queues", "peek", "nowhere").expect(5).err


def test_deleting_a_queue(market: Market, terminal: Terminal) -> None:
    market.declare()
    terminal.run("put", "orders", "1", "--count", "3").expect(0)
    said = terminal.run("queues", "delete", "orders").expect(2)
    assert "would delete queue 'orders' with 3 waiting messages, 0 dead letters" in said.err
    terminal.run("queues", "delete", "orders", "--dry-run").expect(0)
    assert len(waiting(terminal, "orders")) == 3
    assert "deleted queue 'orders'" in terminal.run("queues", "delete", "orders", "--yes").expect(0).out
    assert "There is no queue 'orders'" in terminal.run("queues", "peek", "orders").expect(5).err


def test_a_queue_that_somebody_takes_from_is_not_deleted(market: Market, terminal: Terminal) -> None:
    with market.app.worker():
        assert "is being taken from" in terminal.run("queues", "delete", "orders", "--yes").expect(2).err

"""What an app declares, planned, applied, shown; bindings and exchanges removed."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from tests.cli.terminal import Terminal

APP = """
from pathlib import Path
from typing import Any
from postroad import App

app = App(f"sqlite:///{Path(__file__).parent}/shop.db")
bulk = app.queue("bulk", max_length=1000, overflow="drop_oldest", ttl="1h", max_priority=9)
errors = app.queue("errors")
spare = app.exchange("spare", "fanout")
logs = app.exchange("logs", "topic", alternate=spare)
facts = app.exchange("facts", "headers")
logs.bind(errors, "*.error")
spare.bind(bulk)
facts.bind(bulk, headers={"format": "pdf"}, match="any")

@app.task(name="shop.add", queue="adding")
def add(x: int, y: int) -> int:
    return x + y

@app.subscribe("order.*", group="audit")
def audit(event: dict[str, Any]) -> None: ...
"""


@pytest.fixture
def shop_app(terminal: Terminal) -> str:
    (terminal.folder / "shopapp.py").write_text(APP)
    return "shopapp:app"


def apply(terminal: Terminal, app: str) -> None:
    terminal.run("topology", "apply", app, "--yes").expect(0)


def exported(terminal: Terminal, *words: str) -> dict[str, list[dict[str, object]]]:
    found: dict[str, list[dict[str, object]]] = terminal.run("topology", "export", *words).expect(0).json
    return found


def test_plan_makes_no_file_and_apply_needs_yes(shop_app: str, terminal: Terminal) -> None:
    said = terminal.run("topology", "plan", shop_app).expect(0)
    assert "create queue 'bulk'" in said.out and "bind 'logs' to queue 'errors' by '*.error'" in said.out
    assert not terminal.file.exists()
    preview = terminal.run("topology", "apply", shop_app).expect(2)
    assert "would create queue 'adding'" in preview.err or "create queue 'bulk'" in preview.err
    assert not terminal.file.exists()
    terminal.run("topology", "apply", shop_app, "--dry-run").expect(0)
    assert not terminal.file.exists()


def test_apply_declares_everything_once(shop_app: str, terminal: Terminal) -> None:
    made = terminal.run("topology", "apply", shop_app, "--yes", "-o", "json").expect(0).json
    assert made["count"] == len(made["changes"]) >= 10
    assert "Nothing to do" in terminal.run("topology", "apply", shop_app, "--yes").expect(0).out
    assert terminal.run("topology", "plan", shop_app, "-o", "json").expect(0).json == []
    queues = {one["queue"]: one["carries"] for one in terminal.run("queues", "-o", "json").expect(0).json}
    assert queues["adding"] == "tasks" and queues["events.audit"] == "events" and "bulk" in queues
    assert terminal.run("publish", "order.created", "{}", "-o", "json").expect(0).json["groups"] == 1


def test_a_group_that_was_applied_misses_nothing_before_its_worker_starts(shop_app: str, terminal: Terminal) -> None:
    apply(terminal, shop_app)
    terminal.run("publish", "order.created", "{}", "--mandatory").expect(0)
    (group,) = terminal.run("events", "groups", "-o", "json").expect(0).json
    assert (group["group"], group["patterns"], group["ready"], group["consumers"]) == ("audit", ["order.*"], 1, 0)


def test_what_is_there_otherwise_is_told_and_nothing_is_done(shop_app: str, terminal: Terminal) -> None:
    apply(terminal, shop_app)
    changed = APP.replace("max_length=1000", "max_length=5").replace('"errors"', '"mistakes"')
    (terminal.folder / "changed.py").write_text(changed)
    plan = terminal.run("topology", "plan", "changed:app", "-o", "json").expect(1).json
    assert {change["action"] for change in plan} == {"conflict", "create"}
    said = terminal.run("topology", "plan", "changed:app").expect(1).out
    assert "max_length is 1000 there and 5 here" in said
    assert (
        "max_length is 1000 there and 5 here" in terminal.run("topology", "apply", "changed:app", "--yes").expect(2).err
    )
    assert "mistakes" not in {queue["name"] for queue in exported(terminal)["queues"]}


def test_export_is_what_the_engine_has_or_what_the_app_declares(shop_app: str, terminal: Terminal) -> None:
    declared = exported(terminal, shop_app)
    assert not terminal.file.exists()
    apply(terminal, shop_app)
    there = exported(terminal)
    for what in ("queues", "exchanges", "bindings"):
        assert sorted(map(json.dumps, there[what])) == sorted(map(json.dumps, declared[what])), what
    assert there == terminal.run("topology", "export", "-o", "jsonl").expect(0).lines[0]


def test_pictures(shop_app: str, terminal: Terminal) -> None:
    apply(terminal, shop_app)
    mermaid = terminal.run("topology", "export", "--format", "mermaid").expect(0).out
    assert mermaid.startswith("flowchart LR\n") and '["bulk"' not in mermaid
    assert '{{"logs (topic)"}}' in mermaid and '[("bulk")]' in mermaid and '-->|"*.error"|' in mermaid
    assert "-.->|else|" in mermaid
    dot = terminal.run("topology", "export", "--format", "dot").expect(0).out
    assert dot.startswith("digraph") and dot.rstrip().endswith("}") and 'label="any of format=pdf"' in dot
    text = terminal.run("topology", "export", "--format", "text").expect(0).out
    assert "queue     bulk" in text and "max_length=1000" in text and "exchange  logs  topic, else spare" in text


def test_the_python_it_exports_declares_the_same(terminal: Terminal) -> None:
    plain = "\n".join(line for line in APP.split("\n@app.task")[0].splitlines())
    (terminal.folder / "first.py").write_text(plain)
    apply(terminal, "first:app")
    code = terminal.run("topology", "export", "--format", "python").expect(0).out
    (terminal.folder / "second.py").write_text(code)
    compile(code, "second.py", "exec")
    assert terminal.run("topology", "plan", "second:app", "-o", "json").expect(0).json == []


def test_names_with_anything_in_them_are_drawn(terminal: Terminal) -> None:
    (terminal.folder / "odd.py").write_text(
        'from postroad import App\napp = App("sqlite:///odd.db")\n'
        'e = app.exchange("a \\"b\\" #c", "fanout")\ne.bind(app.queue("x|y]("))\n'
    )
    for form in ("mermaid", "dot", "python", "text"):
        terminal.run("topology", "export", "odd:app", "--format", form).expect(0)
    code = terminal.run("topology", "export", "odd:app", "--format", "python").out
    done = subprocess.run([sys.executable, "-c", code], cwd=terminal.folder, check=False, timeout=60)
    assert done.returncode == 0


def test_unbind_and_delete_exchange(shop_app: str, terminal: Terminal) -> None:
    apply(terminal, shop_app)
    terminal.run("topology", "unbind", "logs", "errors", "--pattern", "other").expect(5)
    assert (
        "unbind 'logs' to queue 'errors' by '*.error'"
        in terminal.run("topology", "unbind", "logs", "errors").expect(2).err
    )
    terminal.run("topology", "unbind", "logs", "errors", "--yes").expect(0)
    assert "logs" not in {binding["exchange"] for binding in exported(terminal)["bindings"]}
    terminal.run("topology", "unbind", "facts", "bulk", "--header", "format=xml", "--yes").expect(5)
    terminal.run("topology", "unbind", "facts", "bulk", "--header", "format=pdf", "--yes").expect(0)
    assert "with 0 bindings" in terminal.run("topology", "delete-exchange", "facts").expect(2).err
    terminal.run("topology", "delete-exchange", "facts", "--yes").expect(0)
    terminal.run("topology", "delete-exchange", "facts", "--yes").expect(5)
    assert "facts" not in {exchange["name"] for exchange in exported(terminal)["exchanges"]}


def test_which_app(terminal: Terminal) -> None:
    assert "Which app?" in terminal.run("topology", "plan").expect(2).err
    assert "no module 'nowhere'" in terminal.run("topology", "plan", "nowhere:app").expect(2).err


def test_the_app_of_the_project(shop_app: str, terminal: Terminal) -> None:
    (terminal.folder / "pyproject.toml").write_text(f'[tool.postroad]\napp = "{shop_app}"\n')
    assert "create queue 'bulk'" in terminal.run("topology", "plan").expect(0).out

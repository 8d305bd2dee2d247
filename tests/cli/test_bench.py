"""``postroad bench`` measures, cleans up after itself, and says it in JSON."""

from __future__ import annotations

from tests.cli.terminal import Terminal


def test_measures(terminal: Terminal) -> None:
    said = terminal.run("bench", "--tasks", "2000", "--folder", terminal.folder, "-o", "json").expect(0)
    units = {measure["name"]: measure["unit"] for measure in said.json}
    assert units == {
        "delay, one by one": "tasks/s",
        "delay, one by one: p99": "ms",
        "send_many, 2,000": "tasks/s",
        "drain, 2 children x 4 threads": "tasks/s",
        "latency, idle: p50": "ms",
        "latency, idle: p99": "ms",
    }
    assert all(measure["value"] > 0 for measure in said.json)
    assert not list(terminal.folder.iterdir())

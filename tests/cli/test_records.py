"""``postroad records``: what left without a dead letter is told, the newest first."""

from __future__ import annotations

from typing import Any

from tests.cli.terminal import Terminal

from postroad import App, Drop


def test_what_was_dropped_came_twice_and_failed_early(terminal: Terminal) -> None:
    app = App(terminal.url)
    late, early = app.queue("late"), app.queue("early")

    @late.consumer(inbox="order")
    def drops(body: dict[str, Any]) -> None:
        if body["order"] == 2:
            raise Drop("not wanted any more")

    @early.consumer(ack="early")
    def fails(body: dict[str, Any]) -> None:
        raise ValueError("gone all the same")

    with app:
        for order in (1, 1, 2):
            late.put({"order": order})
        early.put({})
        with app.worker(threads=1):
            seen: list[Any] = []
            while len(seen) < 3:
                seen = app.inspect.records()
    assert {(one.source, one.state) for one in seen} == {("late", "DUPLICATE"), ("late", "DROPPED"), ("early", "FAILED")}
    told = terminal.run("records", "-o", "json").expect(0).json
    assert {one["state"] for one in told} == {"DUPLICATE", "DROPPED", "FAILED"}
    (dropped,) = terminal.run("records", "--state", "DROPPED", "-o", "json").expect(0).json
    assert dropped["reason"] == "not wanted any more"
    assert "gone all the same" in terminal.run("records").expect(0).out

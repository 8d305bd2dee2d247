"""What ends without its handler keeps its place in an order by number: those behind it do not wait for the gap's time."""

from __future__ import annotations

import time
from typing import Any

from tests.reliability.engines import until

from postroad import App


def test_an_expired_number_is_a_dead_letter_and_no_gap(app: App) -> None:
    queue, seen = app.queue("raw"), []

    @queue.consumer(sequence="seq", gap_timeout="1h")
    def taken(body: dict[str, Any]) -> None:
        seen.append(body["seq"])

    queue.put({"seq": 1}, key="a")
    with app.worker(threads=2):
        until(lambda: seen == [1], "the series has begun")
    queue.put({"seq": 2}, key="a", expires=0.001)
    late = time.time() + 0.002
    until(lambda: time.time() > late, "it has expired")
    queue.put({"seq": 4}, key="a")
    queue.put({"seq": 3}, key="a")
    with app.worker(threads=2):
        until(lambda: seen == [1, 3, 4], "those behind it")
    (letter,) = app.dead_letters().peek(10)
    assert letter.error_type == "Expired" and b"2" in letter.message.body

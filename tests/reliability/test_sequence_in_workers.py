"""`sequence=` of a queue's consumer and of a subscription, in a worker."""

from __future__ import annotations

from typing import Any

import pytest
from tests.reliability.engines import until

from postroad import App, Event, errors


class Moved(Event, type="stock.moved", key="item"):
    item: str
    seq: int


@pytest.mark.parametrize("inbox", [None, "id", True])
def test_a_queue(app: App, inbox: Any) -> None:
    queue, seen = app.queue("raw"), []

    @queue.consumer(inbox=inbox, sequence="seq", gap_timeout=0.3, on_gap="skip")
    def taken(body: dict[str, Any]) -> None:
        seen.append((body["item"], body["seq"]))

    with app.worker(threads=4):
        for seq in (2, 1, 4, 3, 3, 6):
            queue.put({"item": "a", "seq": seq, "id": f"a{seq}"}, key="a")
            queue.put({"item": "b", "seq": seq + 10, "id": f"b{seq}"}, key="b")
        until(lambda: len(seen) == 10, "all but the repeats, past the gaps")
    assert [seq for item, seq in seen if item == "a"] == [1, 2, 3, 4, 6]
    assert [seq for item, seq in seen if item == "b"] == [11, 12, 13, 14, 16]


def test_a_subscription(app: App) -> None:
    seen: list[int] = []

    @app.subscribe(Moved, group="stock", sequence="seq", gap_timeout=0.3)
    def moved(event: Moved) -> None:
        seen.append(event.seq)

    with app.worker(threads=4):
        for seq in (3, 2, 1, 5):
            app.publish(Moved(item="a", seq=seq))
        until(lambda: list(app.dead_letters().peek(10)), "the one behind the gap is a dead letter")
    (letter,) = app.dead_letters().peek(10)
    assert seen == [1, 2, 3] and letter.error_type == "SequenceGap" and b'"seq":5' in letter.message.body


@pytest.mark.parametrize("overflow", ["block", "reject"])
def test_a_full_queue_does_not_hold_up_what_comes_back(app: App, overflow: str) -> None:
    """Else nothing would move any more: what fills it waits for the number that has no room."""
    queue, seen = app.queue("raw", max_length=3, overflow=overflow), []

    @queue.consumer(sequence="seq", gap_timeout="1m")
    def taken(body: dict[str, Any]) -> None:
        seen.append(body["seq"])

    def put(seq: int) -> bool:
        try:
            return bool(queue.put({"seq": seq}, key="a", timeout=10))
        except errors.QueueFull:
            return False

    arrival = [7, 3, 9, 12, 1, 2, 15, 4, 6, 5, 8, 14, 10, 11, 13]
    with app.worker(threads=2):
        for seq in arrival:
            until(lambda seq=seq: put(seq), "there is room")
        until(lambda: len(seen) == len(arrival), "all are handled")
    assert seen == sorted(arrival)


def test_what_leaves_before_it_is_handled_has_no_order(app: App) -> None:
    queue = app.queue("raw")
    with pytest.raises(errors.InvalidOption, match="early"):

        @queue.consumer(sequence="seq", ack="early")
        def taken(body: dict[str, Any]) -> None: ...

    with pytest.raises(errors.InvalidOption, match="early"):

        @app.subscribe(Moved, group="stock", sequence="seq", ack="early")
        def moved(event: Moved) -> None: ...

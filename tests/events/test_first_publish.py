"""The first event of a type, published by many threads at once, is declared once and refused to none of them."""

from __future__ import annotations

import sys
import threading

from postroad import App, Event


class Seen(Event, type="thing.seen"):
    number: int


def test_many_threads_publish_the_first_event_at_once() -> None:
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(20):
            assert publish_at_once(8) == []
    finally:
        sys.setswitchinterval(interval)


def publish_at_once(count: int) -> list[Exception]:
    met: list[Exception] = []
    gate = threading.Barrier(count)
    with App("memory://") as app:

        def publish(number: int) -> None:
            gate.wait(10)
            try:
                app.publish(Seen(number=number))
            except Exception as error:
                met.append(error)

        threads = [threading.Thread(target=publish, args=(number,)) for number in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
    return met

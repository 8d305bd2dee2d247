"""Every example runs as its page says, and does what its page says."""

from __future__ import annotations

import json
import os
import re
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.examples.example import EXAMPLES, Example

Start = Callable[[str], Example]
HOWTO = EXAMPLES.parent / "docs" / "howto"
NAMES = sorted(path.name for path in EXAMPLES.iterdir() if path.is_dir())


@pytest.mark.parametrize("name", NAMES)
def test_the_page_shows_the_programs(name: str) -> None:
    page = (HOWTO / f"{name}.md").read_text(encoding="utf-8")
    for program in sorted((EXAMPLES / name).glob("*.py")):
        block = f"```python\n# {program.name}\n{program.read_text(encoding='utf-8')}```"
        assert block in page, f"docs/howto/{name}.md does not show {program.name} as it is"


def done_by(example: Example) -> list[tuple[str, int]]:
    return [
        (name, int(pid)) for name, pid in re.findall(r"(the long one|short \d+) done by process (\d+)", example.said())
    ]


def test_work_queue(example: Start) -> None:
    """Who has the long job takes no short one meanwhile."""
    work = example("work-queue")
    assert work.run("put.py") == ["11 jobs are on disk"]
    with work.worker("-p", 2, "-t", 1):
        done = work.until(lambda: found if len(found := done_by(work)) == 11 else None)
    assert done[-1][0] == "the long one"
    long_pid = done[-1][1]
    assert {pid for name, pid in done if name != "the long one"} == {pid for _, pid in done} - {long_pid}


def test_work_queue_killed(example: Start) -> None:
    """kill -9 of everything while the long job runs: the next worker does it."""
    work = example("work-queue")
    work.run("put.py")
    with pytest.raises(AssertionError), work.worker("-p", 2, "-t", 1) as tree:
        work.until(lambda: done_by(work))
        os.killpg(tree.pid, signal.SIGKILL)
    assert "the long one" not in dict(done_by(work))
    with work.worker():
        work.until(lambda: len(dict(done_by(work))) == 11)
    assert Counter(name for name, _ in done_by(work))["the long one"] == 1


def test_publish_subscribe(example: Start) -> None:
    logs = example("publish-subscribe")
    with logs.worker():
        assert logs.run("emit.py") == ["3 lines published"]
        logs.until(lambda: len(logs.lines("saved.txt")) == 3 and "3: ready" in logs.said())
    assert sorted(logs.lines("saved.txt")) == ["1 starting", "2 listening", "3 ready"]
    assert all(line in logs.said().splitlines() for line in ("1: starting", "2: listening", "3: ready"))


def test_routing(example: Start) -> None:
    logs = example("routing")
    assert logs.run("emit.py") == ["nobody takes 'debug'"]
    with logs.worker():
        logs.until(lambda: len(logs.lines("archive.txt")) == 3 and logs.lines("urgent.txt"))
    assert logs.lines("urgent.txt") == ["error down"]
    assert sorted(logs.lines("archive.txt")) == ["error down", "info started", "warning slow"]


def test_topics(example: Start) -> None:
    logs = example("topics")
    assert logs.run("emit.py") == ["5 lines published"]
    with logs.worker():
        logs.until(lambda: len(logs.lines("everything.txt")) == 5 and len(logs.lines("critical.txt")) == 2)
        logs.until(lambda: len(logs.lines("kernel.txt")) == 2)
    assert sorted(logs.lines("kernel.txt")) == ["kern.critical", "kern.info"]
    assert sorted(logs.lines("critical.txt")) == ["cron.critical", "kern.critical"]
    assert sorted(logs.lines("everything.txt")) == ["auth", "cron.critical", "cron.info", "kern.critical", "kern.info"]


def test_dead_letters(example: Start) -> None:
    shop = example("dead-letters")
    shop.run("pay.py")
    with shop.worker():
        shop.until(lambda: len(shop.run("look.py")) == 3 and shop.lines("mails.txt"))
        reasons = dict(reversed(line.split(" | ")) for line in shop.run("look.py"))  # type: ignore[misc]
        assert {reason.split(":")[0] for reason in reasons} >= {"the bank declined"}
        assert any("connection refused" in reason for reason in reasons)
        assert any("`order`" in reason or "order" in reason for reason in reasons)
        assert shop.lines("charged.txt") == ["1"]
        assert shop.lines("mails.txt") == ['the bank declined: {"order":2,"card":"declined"}']
        (shop.folder / "gateway-is-up").touch()
        shop.run("look.py", "redrive")
        shop.until(lambda: len(shop.lines("charged.txt")) == 2)
        assert shop.lines("charged.txt") == ["1", "3"]
        assert len(shop.run("look.py")) == 2
        mend_by_command(shop)
        shop.until(lambda: len(shop.lines("charged.txt")) == 3)
    assert shop.lines("charged.txt") == ["1", "3", "2"]


def mend_by_command(shop: Example) -> None:
    """As the page does: the declined payment, with another card."""
    url = ("--url", "sqlite:///dead-letters.db")
    assert "the bank declined" in shop.postroad("dead-letters", "list", "--group", *url)
    declined = json.loads(shop.postroad("dead-letters", "list", "--error", "app.Declined", "-o", "json", *url))
    number = declined[0]["number"]
    assert "the bank declined" in shop.postroad("dead-letters", "show", number, *url)
    body = '{"order": 2, "card": "good"}'
    shop.postroad("dead-letters", "edit", number, "--body", body, *url)
    shop.postroad("dead-letters", "redrive", number, "--yes", *url)
    shop.postroad("dead-letters", "redrive", "--error", "app.GatewayDown", "--dry-run", *url)


def test_delayed_retry(example: Start) -> None:
    service = example("delayed-retry")
    service.run("send.py")
    with service.worker("-t", 1):
        service.until(lambda: len(service.lines("calls.txt")) >= 3 + 2 + 4 + 10)
    calls = [(float(at), name, int(attempt)) for at, name, attempt in map(str.split, service.lines("calls.txt"))]
    times = {(name, attempt): at for at, name, attempt in calls}
    assert sorted(attempt for _, name, attempt in calls if name == "gone") == [1, 2, 3, 4]
    assert sorted(attempt for _, name, attempt in calls if name == "flaky") == [1, 2, 3]
    for attempt, wait_s in ((1, 0.2), (2, 0.4), (3, 0.8)):
        assert times["gone", attempt + 1] - times["gone", attempt] >= wait_s - 0.02
    assert times["busy", 2] - times["busy", 1] >= 0.48
    assert all(times[f"fine-{number}", 1] < times["gone", 2] for number in range(10)), "nobody waits behind a retry"
    assert "does not answer" in service.postroad("dead-letters", "list", "--url", "sqlite:///delayed-retry.db")


def test_idempotent_consumer(example: Start) -> None:
    """Eighteen messages and a crash: every payment is booked once. What ran beside the crash may have run twice."""
    books = example("idempotent-consumer")
    books.run("deliver.py")
    wanted = {f"payment-{number} booked" for number in range(1, 7)} | {"payment-3 was booked"}
    with books.worker():
        books.until(lambda: wanted <= set(books.lines("runs.txt")))
    runs = Counter(books.lines("runs.txt"))
    assert [runs[f"payment-{number} booked"] for number in range(1, 7)] == [1] * 6
    assert set(runs.values()) == {1}, "one crash: nothing ran more than twice, and the second time it said so"


def test_backpressure(example: Start) -> None:
    flow = example("backpressure")
    with flow.worker("-Q", "patient"):
        said = flow.run("produce.py")
        flow.until(lambda: len(flow.lines("patient.txt")) == 400)
    assert said[0] == "strict refused 10; latest gave up 10"
    deepest = int(said[1].removeprefix("patient took 400 and never held more than "))
    assert 1 <= deepest <= 50
    assert sorted(map(int, flow.lines("patient.txt"))) == list(range(400))
    check = ("check", "queue", "patient", "--max-age", "60s", "--url", "sqlite:///backpressure.db")
    assert flow.postroad(*check)


def test_event_bus(example: Start) -> None:
    bus = example("event-bus")
    said = bus.run("bus.py")
    assert said[-1] == "stock {'lamp': 2}"
    assert said.count("reorder lamp: 2 left") == 1
    audits = [line for line in said if line.startswith("audit ")]
    assert [line.split()[1] for line in audits] == ["order.placed", "order.placed", "stock.low"]
    assert all(" from shop: " in line for line in audits)


def test_thumbnails(example: Start) -> None:
    from PIL import Image

    pictures = example("thumbnails")
    done: Path = pictures.folder / "done"
    with pictures.worker("-p", 2):
        assert pictures.run("upload.py") == ["8 pictures and 1 broken file uploaded"]
        pictures.until(lambda: len(list(done.glob("*.png"))) == 24)
        url = "sqlite:///thumbnails.db"
        pictures.until(lambda: "this is no picture" in pictures.postroad("dead-letters", "list", "--url", url))
    for width, height in ((64, 48), (160, 120), (320, 240)):
        for number in range(1, 9):
            with Image.open(done / f"picture-{number}-{width}.png") as picture:
                assert picture.size == (width, height)
                assert picture.getpixel((width // 2, 2)) is not None

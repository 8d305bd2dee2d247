"""app.testing(): an engine in memory, handlers when the test says so, a clock that the test moves."""

from __future__ import annotations

import pytest

from postroad import App, Retry, current, errors


def test_what_was_sent_and_what_comes_of_it(app: App) -> None:
    @app.task(queue="sums")
    def add(a: int, b: int = 1) -> int:
        return a + b

    @app.task
    async def parent() -> str:
        return (await add.adelay(1, b=2)).id

    with app.testing() as t:
        result = parent.delay()
        assert [sent.task for sent in t.sent] == [parent.name]
        assert result.status().state == "PENDING"
        assert t.drain() == 2
        assert [(sent.task, sent.args, sent.kwargs, sent.queue) for sent in t.sent[1:]] == [(add.name, [1, 2], {}, "sums")]
        assert app.result(result.get(), of=add).get() == 3
        assert t.drain() == 0
        assert app.inspect.stats().ready == 0
    assert app.inspect.stats().counters["published"] == 0, "the app's own engine has seen nothing"


def test_time_passes_when_the_test_says_so(app: App) -> None:
    seen: list[int] = []

    @app.task(retry=Retry(max=1, base="10m", jitter=False))
    def flaky() -> None:
        seen.append(current.task.attempt)
        if current.task.attempt == 1:
            raise OSError("no")

    with app.testing() as t:
        later = flaky.options(countdown="1h").delay()
        late = flaky.options(countdown="2h", expires="90m").delay()
        assert t.drain() == 0
        assert later.status().state == "SCHEDULED"
        assert t.advance("59m") == 0
        assert t.advance("1m") == 1
        assert later.status().state == "RETRYING"
        assert t.advance("10m") == 1
        assert later.status().state == "SUCCEEDED"
        assert seen == [1, 2]
        t.advance("1h")
        with pytest.raises(errors.TaskExpired):
            late.get()
        soon = flaky.options(countdown="1m").delay()
        assert (t.drain(), soon.status().state) == (0, "SCHEDULED"), "countdowns start at the test's own now"
        assert t.advance("1m") == 1


def test_a_wait_that_nobody_would_end(app: App) -> None:
    @app.task
    def work() -> int:
        return 1

    with app.testing() as t:
        result = work.delay()
        with pytest.raises(errors.WouldDeadlock, match=r"t\.drain\(\)"):
            result.get()
        assert result.revoke()
        assert t.drain() == 0

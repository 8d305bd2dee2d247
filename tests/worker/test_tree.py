"""A supervisor and its children: tasks run; signals drain, at once or in time; nothing is lost on any way out."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.worker.conftest import StartTree
from tests.worker.handlers import eventually
from tests.worker.tree import below, gone, kill, write_module

from postroad import App

Lines = Callable[[str], list[str]]


def depth(jobs: Any, queue: str = "default") -> Any:
    depths = jobs.app.ask(lambda driver: driver.queues())
    return next(one for one in depths if one.queue == queue)


def test_tasks_run_in_children(jobs: Any, tree: StartTree) -> None:
    tree(processes=2, threads=3).ready()
    results = jobs.app.send_many([jobs.add.s(number, 1) for number in range(200)])
    assert jobs.app.wait_all(results, timeout=15) == list(range(1, 201))
    assert jobs.pid.delay().get(timeout=10) != os.getpid()


def test_sigterm_finishes_what_runs_and_gives_back_the_rest_uncounted(jobs: Any, tree: StartTree, lines: Lines) -> None:
    worker = tree(threads=2, drain_s=10).ready()
    running = [jobs.busy.delay(number) for number in range(2)]
    eventually(lambda: len(lines("busy")) == 2, "both busy")
    waiting = [jobs.nap.delay(number) for number in range(20)]
    worker.signal(signal.SIGTERM)
    eventually(lambda: "draining" in worker.log, "draining")
    (jobs.HERE / "go-on").touch()
    assert worker.wait() == 0, worker.log
    assert [result.get(timeout=1) for result in running] == [0, 1]
    assert lines("started") == []
    located = jobs.app.ask(lambda driver: driver.list_messages("default", 100))
    assert {one.id for one in located} == {result.id for result in waiting}
    assert {(one.place, one.attempt, one.crashes) for one in located} == {("ready", 1, 0)}


def test_what_outlasts_the_drain_goes_back_uncounted(jobs: Any, tree: StartTree, lines: Lines) -> None:
    worker = tree(threads=2, drain_s=0.3).ready()
    jobs.busy.delay(1)
    eventually(lambda: lines("busy"), "busy")
    began = time.monotonic()
    worker.signal(signal.SIGTERM)
    assert worker.wait(15) == 0, worker.log
    assert time.monotonic() - began < 8
    (message,) = jobs.app.ask(lambda driver: driver.list_messages("default", 10))
    assert (message.place, message.attempt, message.crashes) == ("ready", 1, 0)
    (jobs.HERE / "go-on").touch()
    tree(threads=1).ready()
    eventually(lambda: depth(jobs).ready == 0 and depth(jobs).in_flight == 0, "run by the next worker")
    assert lines("busy") == ["1", "1"]


def test_a_second_signal_is_immediate_and_nobody_is_charged(jobs: Any, tree: StartTree, lines: Lines) -> None:
    worker = tree(threads=2, drain_s=60).ready()
    jobs.busy.delay(1)
    eventually(lambda: lines("busy"), "busy")
    worker.signal(signal.SIGTERM)
    eventually(lambda: "draining" in worker.log, "draining")
    began = time.monotonic()
    worker.signal(signal.SIGINT)
    assert worker.wait(10) == 1
    assert time.monotonic() - began < 3
    (message,) = jobs.app.ask(lambda driver: driver.list_messages("default", 10))
    assert (message.place, message.attempt, message.crashes) == ("ready", 1, 0)


def test_children_of_a_killed_supervisor_drain_and_end(jobs: Any, tree: StartTree, lines: Lines) -> None:
    worker = tree(processes=2, threads=1, drain_s=10).ready()
    children = worker.children()
    assert len(children) == 2
    running = jobs.busy.delay(7)
    eventually(lambda: lines("busy"), "busy")
    kill(worker.process.pid)
    worker.process.wait()
    (jobs.HERE / "go-on").touch()
    assert running.get(timeout=10) == 7
    eventually(lambda: all(map(gone, children)), "children gone")


def test_a_child_told_to_end_is_replaced(jobs: Any, tree: StartTree) -> None:
    worker = tree().ready()
    (child,) = worker.children()
    kill(child, signal.SIGTERM)
    eventually(lambda: worker.children() not in ([], [child]), "another child")
    assert jobs.add.delay(2, 2).get(timeout=15) == 4


def test_only_the_queues_asked_for(jobs: Any, tree: StartTree) -> None:
    jobs.add.options(queue="default").delay(1, 1)
    worker = tree(queues=("defaul",))
    assert worker.wait() == 1
    assert "did you mean 'default'?" in worker.log


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("no_such_module:app", "There is no module 'no_such_module'"),
        ("jobs:ap", "did you mean 'app'?"),
        ("jobs:add", "not an App"),
        ("broken:app", "ZeroDivisionError"),
        ("needy:app", "No module named 'numpy_but_not_quite'"),
        ("elsewhere:app", "redis"),
    ],
)
def test_a_configuration_error_is_told_once_and_ends_the_worker(
    path: str, words: str, jobs: Any, tree: StartTree, tmp_path: Path
) -> None:
    write_module(tmp_path, "broken", "1 / 0")
    write_module(tmp_path, "needy", "import numpy_but_not_quite")
    write_module(
        tmp_path, "elsewhere", "from postroad import App\napp = App('redis://localhost')\n@app.task\ndef t() -> None: ..."
    )
    worker = tree(app=path, processes=2)
    assert worker.wait() == 1, worker.log
    told = [line for line in worker.log.splitlines() if words in line and "CRITICAL" in line]
    assert len(told) == 1, worker.log
    assert "place is filled again" not in worker.log


def test_an_app_in_memory_is_refused(tree: StartTree, tmp_path: Path) -> None:
    write_module(tmp_path, "forgetful", "from postroad import App\napp = App('memory://')\n@app.task\ndef t() -> None: ...")
    worker = tree(app="forgetful:app", processes=2)
    assert worker.wait() == 1
    assert "memory:// is private to one process" in worker.log and "app.run()" in worker.log


def test_the_url_that_is_given_replaces_the_apps_own(tree: StartTree, tmp_path: Path) -> None:
    write_module(
        tmp_path,
        "elsewhere",
        """
        from postroad import App
        app = App("sqlite:///own.db")

        @app.task(name="ping", keep_result="1h")
        def ping() -> str:
            return "here"

        @app.task(name="relay", executor="process")
        def relay() -> str:
            with app.send_now():
                ping.delay()
            return "sent"
        """,
    )
    tree(app="elsewhere:app", url=f"sqlite:///{tmp_path}/given.db").ready()
    app = App(f"sqlite:///{tmp_path}/given.db")

    @app.task(name="relay")
    def relay() -> str: ...

    try:
        assert relay.delay().get(timeout=20) == "sent"
        eventually(lambda: app.ask(lambda driver: driver.counters())["accepted"] == 2, "both ran here")
    finally:
        app.close()
    assert not (tmp_path / "own.db").exists()


def test_a_lifespan_that_fails_is_tried_again(tree: StartTree, tmp_path: Path) -> None:
    write_module(
        tmp_path,
        "flaky",
        """
        from contextlib import contextmanager
        from pathlib import Path
        from postroad import App, current

        @contextmanager
        def resources():
            if not Path("mended").exists():
                raise ConnectionError("the other side is down")
            yield {"answer": 42}

        app = App("sqlite:///flaky.db", lifespan=resources)

        @app.task
        def answer() -> int:
            return current.state["answer"]
        """,
    )
    worker = tree(app="flaky:app")
    eventually(lambda: "the other side is down" in worker.log, "told")
    (tmp_path / "mended").touch()
    worker.ready()


def test_logs_of_children_say_who_drained(jobs: Any, tree: StartTree) -> None:
    worker = tree(log_setup="postroad.observe.logs:configure", log_format="json").ready()
    worker.signal(signal.SIGTERM)
    assert worker.wait() == 0
    records = [json.loads(line) for line in worker.log.splitlines()]
    (drained,) = [record for record in records if record.get("message", "").startswith("drained")]
    assert drained["given_back"] == 0


def test_nothing_is_left_running(jobs: Any, tree: StartTree) -> None:
    worker = tree(processes=2).ready()
    assert jobs.pid_alone.delay().get(timeout=15)
    everybody = below(worker.process.pid)
    assert len(everybody) == 3
    worker.signal(signal.SIGTERM)
    assert worker.wait() == 0
    assert all(map(gone, everybody))
    assert not worker.ready_file.exists()

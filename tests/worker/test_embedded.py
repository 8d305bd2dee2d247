"""A worker in the caller's own process."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.worker.handlers import eventually
from tests.worker.tree import write_module

from postroad import App, current
from postroad.errors import ConfigurationError, ResultTimeout
from postroad.worker.embedded import EmbeddedWorker


@pytest.mark.parametrize("url", ["sqlite:///{}/embedded.db", "memory://"])
def test_tasks_run_in_threads_of_this_process(url: str, tmp_path: Path) -> None:
    app = App(url.format(tmp_path))

    @app.task(name="where")
    def where() -> str:
        return threading.current_thread().name

    @app.task(name="awhere")
    async def awhere() -> str:
        return threading.current_thread().name

    worker = EmbeddedWorker(app, threads=2)
    worker.start()
    try:
        assert where.delay().get(timeout=10).startswith("postroad-handler")
        assert awhere.delay().get(timeout=10) == "postroad-user-loop"
    finally:
        assert worker.stop(5.0) == 0
    assert not [thread for thread in threading.enumerate() if thread.name.startswith(("postroad-handler", "postroad-engine"))]
    app.close()


def test_the_lifespan_surrounds_it(tmp_path: Path) -> None:
    seen: list[str] = []

    @asynccontextmanager
    async def resources() -> Any:
        seen.append("open")
        yield {"answer": 42}
        seen.append("closed")

    app = App(f"sqlite:///{tmp_path}/embedded.db", lifespan=resources)

    @app.task(name="answer")
    def answer() -> int:
        return int(current.state["answer"])

    worker = EmbeddedWorker(app)
    worker.start()
    assert answer.delay().get(timeout=10) == 42
    worker.stop(5.0)
    app.close()
    assert seen == ["open", "closed"]


def test_a_quiet_worker_takes_nothing_until_it_resumes(tmp_path: Path) -> None:
    app = App(f"sqlite:///{tmp_path}/embedded.db")

    @app.task(name="echo")
    def echo(number: int) -> int:
        return number

    worker = EmbeddedWorker(app, threads=1)
    worker.start()
    assert echo.delay(1).get(timeout=10) == 1
    worker.quiet()
    waiting = echo.delay(2)
    with pytest.raises(ResultTimeout):
        waiting.get(timeout=0.3)
    worker.resume()
    assert waiting.get(timeout=10) == 2
    worker.stop(5.0)
    app.close()


def test_what_does_not_end_in_time_goes_back_uncounted(tmp_path: Path) -> None:
    app = App(f"sqlite:///{tmp_path}/embedded.db")
    entered, go_on = threading.Event(), threading.Event()

    @app.task(name="slow")
    def slow() -> None:
        entered.set()
        go_on.wait(20)

    worker = EmbeddedWorker(app, threads=1)
    worker.start()
    slow.delay()
    assert entered.wait(10)
    assert worker.stop(0.1) == 1
    (message,) = app.ask(lambda driver: driver.list_messages("default", 10))  # type: ignore[attr-defined]
    assert (message.place, message.attempt, message.crashes) == ("ready", 1, 0)
    go_on.set()
    app.close()


def test_a_lifespan_that_fails_leaves_nothing_running(tmp_path: Path) -> None:
    @asynccontextmanager
    async def resources() -> Any:
        raise ConnectionError("down")
        yield

    app = App(f"sqlite:///{tmp_path}/embedded.db", lifespan=resources)

    @app.task(name="never")
    def never() -> None: ...

    worker = EmbeddedWorker(app)
    with pytest.raises(ConnectionError, match="down"):
        worker.start()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith(("postroad-handler", "postroad-engine"))]


def test_an_unknown_queue_is_refused(tmp_path: Path) -> None:
    app = App(f"sqlite:///{tmp_path}/embedded.db")

    @app.task(name="never", queue="media")
    def never() -> None: ...

    with pytest.raises(ConfigurationError, match="did you mean 'media'"):
        EmbeddedWorker(app, queues=["meida"]).start()


SCRIPT = """
import os, sys
from pathlib import Path
from postroad import App

app = App("sqlite:///script.db")

@app.task(name="poison", max_deliveries=2)
def poison() -> None:
    os.kill(os.getpid(), 9)

if __name__ == "__main__":
    if "send" in sys.argv:
        poison.delay()
    Path("up").touch()
    app.run(threads=2)
"""


def test_a_crash_is_charged_when_the_script_starts_again(tmp_path: Path) -> None:
    from postroad.ports.driver import DeadLetterFilter

    write_module(tmp_path, "script", SCRIPT)
    command = [sys.executable, "script.py"]
    assert subprocess.run([*command, "send"], cwd=tmp_path, timeout=20, check=False).returncode == -signal.SIGKILL
    assert subprocess.run(command, cwd=tmp_path, timeout=20, check=False).returncode == -signal.SIGKILL
    third = subprocess.Popen(command, cwd=tmp_path)
    app = App(f"sqlite:///{tmp_path}/script.db")
    try:
        letters = eventually(lambda: app.ask(lambda driver: driver.dead_letters(DeadLetterFilter(), 10)), "dead letter")  # type: ignore[attr-defined]
        assert letters[0].crashes == 2
        began = time.monotonic()
        third.send_signal(signal.SIGTERM)
        assert third.wait(15) == 0
        assert time.monotonic() - began < 5
    finally:
        third.kill()
        app.close()

"""The app in the life of a process: closing, forks, Ctrl-C, exit."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from postroad import App, errors
from postroad.engine.portal import PORTAL, Portal


def work(number: int) -> int:
    return number


def test_a_closed_app_says_so_and_can_be_used_again(app: App) -> None:
    task = app.task(work)
    result = task.delay(1)
    app.close()
    app.close()
    for ask in (lambda: task.delay(2), result.status, app.inspect.queues):
        with pytest.raises(errors.Closed, match="was closed"):
            ask()
    with app:
        assert result.status().state == "PENDING"
    with pytest.raises(errors.Closed):
        task.delay(3)


async def test_the_same_awaited(app: App) -> None:
    task = app.task(work)
    async with app:
        await task.adelay(1)
    with pytest.raises(errors.Closed):
        await task.adelay(1)


async def test_a_worker_on_a_loop_says_how(app: App) -> None:
    app.task(work)
    with pytest.raises(errors.BlockingCallOnLoop, match=r"Write: async with app\.worker\(\): \.\.\."), app.worker():
        pass
    await app.aclose()


def test_a_queue_declared_while_a_worker_runs_is_there_afterwards(app: App) -> None:
    app.task(work).delay(1)
    with app.worker(threads=1):
        late = app.task(name="late", queue="late")(work)
    assert late.delay(2).status().state == "PENDING"


async def test_a_wait_that_is_cancelled_harms_nobody(app: App) -> None:
    task = app.task(work)
    await task.adelay(0)
    for number in range(50):
        sending = asyncio.create_task(task.adelay(number))
        await asyncio.sleep(0)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
    result = await task.adelay(1)
    waiting = asyncio.create_task(result.aget())
    await asyncio.sleep(0.01)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    async with app.worker(threads=1):
        assert await result.aget(timeout=10) == 1


def test_a_fork_after_the_first_use(app: App) -> None:
    task = app.task(work)
    task.delay(1).status()
    child = os.fork()
    if not child:
        try:
            ids = {task.delay(number).id for number in range(5)}
            state = app.result(ids.pop()).status().state
            app.close()
            os._exit(0 if state == "PENDING" else 2)
        except BaseException:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    task.delay(2)
    with app.worker(threads=1):
        assert task.delay(3).get(timeout=10) == 3
    assert app.inspect.stats().counters["accepted"] == 8


def test_ids_differ_after_a_fork() -> None:
    from postroad.engine.identity import new_id

    new_id()
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.write(writer, new_id().encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reader, 100).decode()[-12:] != new_id()[-12:]
    os.close(reader)
    os.close(writer)


def script(folder: Path, code: str) -> list[str]:
    file = folder / "shop.py"
    head = """
    from postroad import App
    app = App("sqlite:///app.db")
    @app.task
    def work(number: int) -> int:
        return number
    """
    file.write_text(textwrap.dedent(head) + textwrap.dedent(code))
    return [sys.executable, str(file)]


def test_ctrl_c_ends_a_wait(tmp_path: Path) -> None:
    code = """
    result = work.delay(1)
    print("waiting", flush=True)
    result.get()
    """
    with subprocess.Popen(
        script(tmp_path, code), cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as waiting:
        assert waiting.stdout is not None
        assert waiting.stdout.readline() == "waiting\n"
        waiting.send_signal(signal.SIGINT)
        _out, words = waiting.communicate(timeout=10)
    assert waiting.returncode in (-signal.SIGINT, 130)
    assert "KeyboardInterrupt" in words
    assert "never awaited" not in words


@pytest.mark.parametrize(
    "code",
    [
        "work.delay(1)",
        "print(work.delay(1).status().state)",
        "import atexit; atexit.register(lambda: work.delay(1)); work.delay(2)",
        "import threading; threading.Thread(target=lambda: work.delay(1)).start()",
        "import asyncio; asyncio.run(work.adelay(1))",
        "work.delay(1); raise SystemExit(0)",
    ],
)
def test_the_interpreter_exits_without_a_word(code: str, tmp_path: Path) -> None:
    started = time.monotonic()
    done = subprocess.run(script(tmp_path, code), cwd=tmp_path, capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stderr) == (0, "")
    assert time.monotonic() - started < 15
    sent = App(f"sqlite:///{tmp_path}/app.db")
    sent.task(name="x")(work)
    assert sent.inspect.stats().ready >= 1
    sent.close()


def test_the_portal_does_not_wait_for_itself() -> None:
    async def inside() -> int:
        async def one() -> int:
            return 1

        assert await PORTAL.wait(one()) == 1
        return PORTAL.run(one())

    with pytest.raises(errors.UsageError, match="portal's own thread"):
        PORTAL.run(inside())


def test_a_portal_that_was_closed() -> None:
    portal = Portal()

    async def one() -> int:
        return 1

    assert portal.run(one()) == 1
    portal.close()
    portal.close()
    with pytest.raises(errors.Closed, match="exiting"):
        portal.run(one())


def test_app_run_ends_by_a_signal(tmp_path: Path) -> None:
    code = """
    print("sent", work.delay(3).id, flush=True)
    if __name__ == "__main__":
        app.run(threads=1)
        print("drained", app.inspect.stats().counters["accepted"])
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        with subprocess.Popen(script(tmp_path, code), cwd=tmp_path, stdout=subprocess.PIPE, text=True) as running:
            assert running.stdout is not None
            id = running.stdout.readline().split()[1]
            with App(f"sqlite:///{tmp_path}/app.db") as app:
                assert app.result(id).get(timeout=20) == 3
            running.send_signal(number)
            out, _ = running.communicate(timeout=20)
        assert running.returncode == 0
        assert out.startswith("drained")

"""The public names: which there are, what is not built yet, and how fast they come."""

from __future__ import annotations

import inspect
import subprocess
import sys
from typing import Any

import pytest

import postroad
from postroad import App, NotSupported
from postroad.tasks.options import NOT_BUILT

NAMES = [
    "App", "Router", "TaskOptions", "Retry", "Middleware", "Task", "Result", "TaskStatus", "Progress", "Signature", "Step",
    "Group", "group", "chord", "step", "current", "RetryLater", "DeadLetter", "Drop", "BatchError", "Event", "CloudEvent",
    "Queue", "Exchange", "Received", "DeadLetterRecord", "Message", "Send", "Delivery", "PostroadError", "NotSupported",
    "errors", "__version__",
]  # fmt: skip

UNBUILT_NAMES = ["PendingPosition", "Position", "Record"]

UNBUILT_VERBS: dict[str, tuple[Any, ...]] = {
    "stream": ("clicks",),
    "consumer": (),
    "schedule": ("*/5 * * * *",),
}

UNBUILT_APP_OPTIONS = ["tasks", "queues", "events", "streams", "store", "signing_key", "encryption"]

UNBUILT_TASK_OPTIONS = ["soft_time_limit", "time_limit", "rate_limit", "max_concurrency", "concurrency_key", "unique"]


def test_all() -> None:
    assert postroad.__all__ == NAMES
    assert set(NAMES) <= set(dir(postroad))
    for name in NAMES:
        assert getattr(postroad, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Celery'"):
        postroad.Celery


def test_every_public_name_says_what_it_is() -> None:
    for name in NAMES:
        if name not in ("current", "errors", "__version__"):
            assert inspect.getdoc(getattr(postroad, name)), name


@pytest.mark.parametrize("name", UNBUILT_NAMES)
def test_names_that_are_not_built_yet(name: str) -> None:
    with pytest.raises(NotSupported, match=f"postroad.{name}: not built yet"):
        getattr(postroad, name)


@pytest.mark.parametrize("verb", UNBUILT_VERBS)
def test_verbs_that_are_not_built_yet(verb: str) -> None:
    with pytest.raises(NotSupported, match=f"^app.{verb}: not built yet$"):
        getattr(App("memory://"), verb)(*UNBUILT_VERBS[verb])


def test_nothing_else_of_the_app_is_unbuilt() -> None:
    from postroad.app.unbuilt import Unbuilt

    found = {name for name in vars(Unbuilt) if not name.startswith("_")}
    assert found == {*UNBUILT_VERBS, "control"}
    with pytest.raises(NotSupported, match=r"app\.control: not built yet"):
        App("memory://").control


@pytest.mark.parametrize("option", UNBUILT_APP_OPTIONS)
def test_options_of_the_app_that_are_not_built_yet(option: str) -> None:
    options: dict[str, Any] = {option: "redis://localhost/1"}
    with pytest.raises(NotSupported, match=f"{option}=...\\): not built yet"):
        App("memory://", **options)
    with pytest.raises(NotSupported, match="processes=2"):
        App("memory://").run(processes=2)


def test_options_of_tasks_that_are_not_built_yet() -> None:
    assert list(NOT_BUILT) == UNBUILT_TASK_OPTIONS
    task: Any = App("memory://").task
    for option in NOT_BUILT:
        with pytest.raises(NotSupported, match=f"^{option}: not built yet$"):
            task(**{option: "1h"})


def test_other_things_that_are_not_built_yet() -> None:
    app = App("memory://")

    with pytest.raises(NotSupported, match="kind='list' is not for this engine"):
        app.queue("list", kind="list")
    with pytest.raises(NotSupported, match=r"revoke\(terminate=True\): not built yet"):
        app.revoke("x", terminate=True)

def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_importing_the_package_imports_next_to_nothing() -> None:
    loaded = run(
        "import sys; before = set(sys.modules); import postroad; print(*sorted(set(sys.modules) - before))"
    ).split()
    ours = {name for name in loaded if name.startswith("postroad")}
    assert ours == {"postroad", "postroad.app", "postroad.app.hosting", "postroad.errors"}
    assert not {"asyncio", "msgspec", "apsw", "inspect", "typing_extensions"} & set(loaded)


def test_an_app_can_be_made_without_the_engine_or_the_worker() -> None:
    loaded = run("import sys; from postroad import App; App(); print(*sorted(sys.modules))").split()
    assert not [name for name in loaded if name == "apsw" or name.startswith(("postroad.worker", "postroad.drivers.sqlite"))]

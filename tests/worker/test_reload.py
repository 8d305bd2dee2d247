"""--reload: new code takes over when a file changes, and a broken file is waited for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.worker.conftest import StartTree
from tests.worker.handlers import eventually
from tests.worker.tree import write_module

SOURCE = """
from postroad import App
app = App("sqlite:///reloaded.db")

@app.task(name="version")
def version() -> int:
    return {version}
"""


def ask(app: Any) -> int:
    return int(app.tasks["version"].delay().get(timeout=15))


def test_new_code_takes_over(tree: StartTree, tmp_path: Path) -> None:
    from postroad import App

    app = App(f"sqlite:///{tmp_path}/reloaded.db")

    @app.task(name="version")
    def version() -> int:
        return 0

    write_module(tmp_path, "reloaded", SOURCE.format(version=1))
    worker = tree(app="reloaded:app", reload=True).ready()
    try:
        assert ask(app) == 1
        write_module(tmp_path, "reloaded", SOURCE.format(version=" 1 +"))
        eventually(lambda: "SyntaxError" in worker.log and "Waiting for a change" in worker.log, "told")
        write_module(tmp_path, "reloaded", SOURCE.format(version=22))
        eventually(lambda: worker.ready_file.exists(), "ready again")
        assert ask(app) == 22
    finally:
        app.close()

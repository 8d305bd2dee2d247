"""Bad input where something is declared or sent: refused at once, and nothing of it is kept."""

from __future__ import annotations

import asyncio
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.bad_input.support import call, depth, engine, intact, postroad, python, run, says, waiting, written

from postroad import App
from postroad.app import discovery
from postroad.core.topology import Queue
from postroad.errors import (
    ArgumentsDoNotFit,
    BlockingCallOnLoop,
    ConfigurationError,
    NotSupported,
    SentAtImport,
    TopologyConflict,
    Unserialisable,
)

pytestmark = pytest.mark.bad_input

Refused = tuple[Callable[[], object], str]
"""What must be refused, and words of the refusal."""


def test_arguments_that_do_not_fit(app: App, file: Path) -> None:
    @app.task(name="shop.resize")
    def resize(path: str, width: int = 100) -> None: ...

    sent: Any = resize
    calls: list[Refused] = [
        (lambda: sent.delay(), "missing a required argument: 'path'"),
        (lambda: sent.delay("cat.png", 320, 200), "too many positional arguments"),
        (lambda: sent.delay("cat.png", hight=3), "unexpected keyword argument 'hight'"),
        (lambda: sent.delay("cat.png", "wide"), "'width'"),
        (lambda: sent.options(countdown=5).delay(path=5), "'path'"),
        (lambda: app.send_many([sent.s("cat.png"), sent.s("cat.png", width=None)]), "'width'"),
    ]
    for wrong, words in calls:
        with pytest.raises(ArgumentsDoNotFit) as refused:
            wrong()
        assert isinstance(refused.value, TypeError)
        says(refused.value, "shop.resize(path: str, width: int = 100)", words)
    assert not file.exists() or depth(app) == 0

    assert resize.delay("cat.png", width=320).status().state == "PENDING"
    assert depth(app) == 1


def test_unserialisable_argument(app: App, file: Path) -> None:
    @dataclass
    class Order:
        lines: list[Any]

    @app.task(name="shop.book")
    def book(order: Any, *, note: Any = None) -> None: ...

    for value, path, kind in [
        ({"orders": [1, {"by": object()}]}, "['orders'][1]['by']", "builtins.object"),
        (Order([0, lambda: 0]), ".lines[1]", "builtins.function"),
        ([[float, "x"]], "[0][0]", "builtins.type"),
        ({"text": "\ud800"}, "['text']", "builtins.str"),
        ([1, {(1, 2): 3}], "[1]", "builtins.dict"),
        ({"prices": [1.5, None, math.nan]}, "['prices'][2]", "JSON has no NaN and no infinity"),
        (Order([-math.inf]), ".lines[0]", "builtins.float"),
    ]:
        with pytest.raises(Unserialisable) as refused:
            book.delay(value)
        says(refused.value, "Argument 'order' of shop.book", "no JSON form", path, kind, "Send plain data")
        with pytest.raises(Unserialisable) as named:
            book.delay(1, note=value)
        says(named.value, "Argument 'note'", path)
    circle: list[Any] = []
    circle.append(circle)
    with pytest.raises(Unserialisable):
        book.delay(circle)
    assert not file.exists() or depth(app) == 0
    book.delay(None, note=[None, 1.5])
    assert depth(app) == 1


ON_THE_LOOP = """
import json, sys
from pathlib import Path
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

Path("shop.py").write_text('''
from postroad import App
app = App("sqlite:///app.db")
@app.task
def add(a: int, b: int) -> int:
    return a + b
''')
sys.path.insert(0, "")
shell = InteractiveShell.instance(config=Config({"HistoryManager": {"enabled": False}}))

def cell(source):
    ran = shell.run_cell(source)
    error = ran.error_before_exec or ran.error_in_exec
    return f"{type(error).__name__}: {error}" if error else repr(ran.result)

print(json.dumps([cell(source) for source in [
    "from shop import add, app",
    "add.delay(1, 2).status().state",
    "import asyncio; await asyncio.sleep(0); add.delay(3, 4)",
    "result = await add.adelay(5, 6); result.get(timeout=1)",
    "(await result.astatus()).state",
    "async with app.worker(threads=1): print(await result.aget(timeout=10))",
    "await result.aget()",
    "result.get()",
    "app.close()",
]]))
"""


def test_sync_verb_on_the_loop(app: App, tmp_path: Path) -> None:
    @app.task(name="shop.add")
    def add(a: int, b: int) -> int:
        return a + b

    async def on_the_loop() -> None:
        calls: list[Refused] = [
            (lambda: add.delay(1, 2), "await add.adelay(...)"),
            (lambda: app.send_many([add.s(1, 2)]), "await app.asend_many(...)"),
            (lambda: app.result("x").get(), "await result.aget()"),
            (lambda: app.result("x").status(), "await result.astatus()"),
            (lambda: app.result("x").revoke(), "await result.arevoke()"),
            (lambda: app.wait_all([app.result("x")]), "await app.await_all(...)"),
            (lambda: app.close(), "await app.aclose()"),
        ]
        for verb, line in calls:
            with pytest.raises(BlockingCallOnLoop) as refused:
                verb()
            says(refused.value, "this thread runs an event loop", f"Write: {line}")
        await add.adelay(3, 4)

    asyncio.run(on_the_loop())
    assert depth(app) == 1, "what was refused was not sent"

    (tmp_path / "notebook").mkdir()
    cells = python(ON_THE_LOOP, cwd=tmp_path / "notebook")
    assert cells[0:2] == ["None", "'PENDING'"]
    says(cells[2], "BlockingCallOnLoop", "Write: await add.adelay(...)")
    says(cells[3], "BlockingCallOnLoop", "Write: await result.aget(timeout=1)")
    assert cells[4:] == ["'PENDING'", "None", "11", "11", "None"]
    assert intact(tmp_path / "notebook" / "app.db")


SENDS_AT_IMPORT = """
from postroad import App
app = App("sqlite:///app.db")

@app.task
def add(a: int, b: int) -> int:
    return a + b

add.delay(1, 2)
"""


def test_sends_during_discovery(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path / "hasty.py", SENDS_AT_IMPORT)
    written(tmp_path / "calm.py", "from postroad import App\napp = App('sqlite:///app.db', include=['hasty'])\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    for module, culprit in [("hasty", "hasty"), ("calm", "hasty")]:
        monkeypatch.delitem(sys.modules, "hasty", raising=False)
        with pytest.raises(SentAtImport) as refused:
            discovery.load(f"{module}:app")
        says(refused.value, f"while {culprit} was being imported", "Move the send into a function", "__name__")

    said = postroad("worker", "hasty:app", cwd=tmp_path)
    assert said.returncode == 1
    says(said.stderr, "while hasty was being imported", "Move the send into a function")
    assert not (tmp_path / "app.db").exists()


SCRIPT = """
from postroad import App
app = App("sqlite:///app.db")

@app.task
def add(a: int, b: int) -> int:
    return a + b

if __name__ == "__main__":
    import json
    result = add.delay(1, 2)
    print(json.dumps([add.name, result.id]))
"""


def test_main_task(tmp_path: Path) -> None:
    written(tmp_path / "script.py", SCRIPT)
    prompt = run([sys.executable, "-c", SCRIPT], cwd=tmp_path)
    assert prompt.returncode == 1
    says(prompt.stderr, "InvalidName", "'__main__.add'", "no worker can import", "Move it into a module", "@app.task(name=...)")
    assert not (tmp_path / "app.db").exists()
    named = SCRIPT.replace("@app.task", "@app.task(name='shop.add')")
    assert python(named, cwd=tmp_path)[0] == "shop.add"

    (tmp_path / "app.db").unlink()
    said = run([sys.executable, "script.py"], cwd=tmp_path)
    says(said.stdout, '"script.add"')
    fetch = """
    import json, sys
    sys.path.insert(0, "")
    from script import add, app
    (waiting,) = app.ask(lambda driver: driver.list_messages("default", 10))
    with app.worker(threads=1):
        print(json.dumps(app.result(waiting.id, of=add).get(timeout=10)))
    """
    assert python(fetch, cwd=tmp_path) == 3, "a worker that imports the script by its name runs the task"


def test_bind_true(app: App, file: Path) -> None:
    task: Any = app.task
    with pytest.raises(ConfigurationError) as refused:

        def resize(self: Any, path: str) -> None: ...

        task(bind=True, max_retries=3)(resize)

    says(refused.value, "bind=", "from postroad import current", "self.request.id is current.task.id", "raise RetryLater(after=30)")
    assert not app.tasks
    assert not file.exists()


DECLARES = """
from postroad import App
app = App("sqlite:///app.db")

@app.task(queue="media")
def resize(path: str) -> None: ...
"""


def test_two_apps_that_declare_a_queue_differently(app: App, file: Path, tmp_path: Path) -> None:
    with engine(file, Queue("media", carries="messages")) as driver:
        driver.publish_wait([call(queue="media")])

    @app.task(name="shop.resize", queue="media")
    def resize(path: str) -> None: ...

    words = (
        "'media' exists otherwise",
        "carries is 'messages' there and 'tasks' here",
        "Declare it alike everywhere, or under another name",
    )
    with pytest.raises(TopologyConflict) as sent:
        resize.delay("cat.png")
    says(sent.value, *words)
    with pytest.raises(TopologyConflict) as embedded, app.worker(threads=1):
        pass
    says(embedded.value, *words)

    written(tmp_path / "other.py", DECLARES)
    said = postroad("worker", "other:app", cwd=tmp_path)
    assert said.returncode == 1
    says(said.stderr, *words)
    assert waiting(file) == 1, "the first app's message is there, and nothing else"
    assert intact(file)


IN_MEMORY = """
import json, os
from postroad import App

app = App("memory://")

@app.task(name="shop.add")
def add(a: int, b: int) -> int:
    return a + b

first = add.delay(1, 2)
reader, writer = os.pipe()
child = os.fork()
if not child:
    try:
        add.delay(3, 4)
        words = "accepted"
    except BaseException as error:
        words = f"{type(error).__name__}: {error}"
    os.write(writer, words.encode())
    os._exit(0)
os.close(writer)
words = os.read(reader, 10_000).decode()
os.waitpid(child, 0)
depth = sum(queue.ready for queue in app.ask(lambda driver: driver.queues()))
with app.worker(threads=1):
    value = first.get(timeout=10)
print(json.dumps([words, depth, value]))
"""


def test_memory_with_two_processes(tmp_path: Path) -> None:
    written(tmp_path / "shop.py", DECLARES.replace("sqlite:///app.db", "memory://"))
    said = postroad("worker", "shop:app", "-p", "2", cwd=tmp_path)
    assert said.returncode == 1
    says(said.stderr, "memory:// is private to one process", "Use sqlite:///postroad.db")
    with pytest.raises(NotSupported) as several:
        App("memory://").run(processes=2)
    says(several.value, "processes=2")

    words, depth_here, value = python(IN_MEMORY)
    says(words, "NotSupported", "memory:// is private to the process that made it", "needs a file")
    assert (depth_here, value) == (1, 3), "the parent's own message is there, and is done"

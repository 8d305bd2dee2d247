"""``postroad demo`` on a small folder: it verifies, and it notices when the numbers are wrong."""

from __future__ import annotations

import signal
import sqlite3
from pathlib import Path

import pytest
from tests.cli.terminal import Terminal, until

from postroad.cli.demo import sources
from postroad.observe import processes

FOLDERS, FILES = 6, 20
PYTHON = '"""Words."""\nimport os, sys\nfrom json import dumps\n\nclass Cat:\n    def meow(self):\n        import re\n        return re\n'
UNDECODABLE = {
    "latin.py": b"# caf\xe9\n",
    "unknown.py": b"# coding: klingon\n",
    "sub0/half.py": b"\n" * 10_000 + b"# \xff\n",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Python files in folders, some that do not decode, and one that does not parse."""
    root = tmp_path / "source"
    for folder in range(FOLDERS):
        (root / f"sub{folder}").mkdir(parents=True)
        for number in range(FILES):
            (root / f"sub{folder}" / f"m{number}.py").write_text(PYTHON * (1 + number % 3))
    for name, data in UNDECODABLE.items():
        (root / name).write_bytes(data)
    (root / "two.py").write_text("print 'two'\n")
    (root / "not-python.txt").write_bytes(b"\xff")
    (root / "loop").symlink_to(root)
    return root


def rows(report: dict[str, object]) -> dict[str, tuple[int, int]]:
    found = report["rows"]
    assert isinstance(found, list)
    return {row["name"]: (row["tasks"], row["one_process"]) for row in found}


def test_it_is_verified_after_a_kill(root: Path, terminal: Terminal) -> None:
    said = terminal.run("demo", root, "-o", "json", "--url", f"sqlite:///{terminal.folder}/demo.db").expect(0)
    report = said.json
    assert report["verified"] is True
    files = FOLDERS * FILES + 1
    totals = rows(report)
    assert totals["files"] == (files, files)
    assert totals["to totals"] == totals["to largest"] == (files, files)
    assert set(report["conducted"]["heard"]) == {"demo-totals", "demo-largest"}
    assert totals["undecodable"] == (len(UNDECODABLE), len(UNDECODABLE))
    assert totals["modules"] == (4, 4)
    assert totals["repeats"] == (FOLDERS * FILES * 4 - 4,) * 2
    assert report["conducted"]["kill"]["processes"] == 3
    assert {letter["error_type"] for letter in report["conducted"]["kept"]["letters"]} == {
        "SyntaxError",
        "UnicodeDecodeError",
    }
    assert "killed 3 processes with SIGKILL" in said.err and "started again" in said.err
    assert all(row["agrees"] for row in report["rows"])


def test_twice_on_one_file(root: Path, terminal: Terminal) -> None:
    """The second run's totals are its own."""
    url = f"sqlite:///{terminal.folder}/demo.db"
    for _run in range(2):
        said = terminal.run("demo", root / "sub1", "--url", url).expect(0)
        assert "verified: " in said.out
    assert [line.split()[1:] for line in said.out.splitlines() if line.startswith("files")] == [
        ["20", "20", "20", "equal"]
    ]


def test_a_total_that_does_not_agree_fails(root: Path, terminal: Terminal) -> None:
    """Files that were indexed before the kill are altered after it: the demo must see it."""
    url = f"sqlite:///{terminal.folder}/demo.db"
    with terminal.started("demo", root, "--url", url) as process:
        assert process.stderr is not None
        while "killed" not in process.stderr.readline():
            assert process.poll() is None
        catalogue = terminal.folder / "demo.db-catalogue"
        with sqlite3.connect(catalogue, timeout=20) as connection:
            done = [root / path for (path,) in connection.execute("SELECT path FROM file")]
        for path in done:
            path.write_text(path.read_text() + "# one line more\n")
        out, _err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "NOT VERIFIED: lines" in out and "DIFFERENT" in out
    assert "to totals" in out.splitlines()[-1] and "\nverified: " not in out


def test_it_leaves_nothing_behind(root: Path, terminal: Terminal, tmp_path: Path) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    terminal.run("demo", root / "sub1", TMPDIR=str(temporary)).expect(0)
    assert not list(temporary.iterdir())
    said = terminal.run("demo", root / "sub1", "--keep", TMPDIR=str(temporary)).expect(0)
    (kept,) = temporary.iterdir()
    assert f"kept: postroad queues --url sqlite:///{kept}/demo.db" in said.err
    assert (kept / "demo.db").exists()


def test_a_folder_without_python(terminal: Terminal, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "no .py file below" in terminal.run("demo", tmp_path / "empty").expect(5).err


def test_memory_cannot_be_shared_with_a_worker(terminal: Terminal, root: Path) -> None:
    assert "needs a file" in terminal.run("demo", root, "--url", "memory://").expect(2).err


def test_what_a_file_holds() -> None:
    assert sources.contents(PYTHON.encode()) == (8, 16, 1, 1, frozenset({"os", "sys", "json", "re"}))
    assert sources.contents("# coding: latin-1\nx = '\u00e9'\n".encode("latin-1"))[:2] == (2, 6)
    assert sources.contents(b"\xef\xbb\xbfx = 1\n").words == 3
    assert sources.contents(b"print 'two'\n") == (1, 2, 0, 0, frozenset())
    assert sources.contents(b"from . import x\nfrom .y import z\n").modules == frozenset()


@pytest.mark.parametrize("data", UNDECODABLE.values(), ids=UNDECODABLE.keys())
def test_what_does_not_decode(data: bytes) -> None:
    with pytest.raises((SyntaxError, UnicodeDecodeError)):
        sources.contents(data)


def test_every_source_file_once_and_no_links(root: Path) -> None:
    found = list(sources.source_files(root))
    assert len(found) == len(set(found)) == FOLDERS * FILES + len(UNDECODABLE) + 1


def test_ctrl_c_ends_the_worker_too(root: Path, terminal: Terminal, tmp_path: Path) -> None:
    file = tmp_path / "demo.db"
    with terminal.started("demo", root, "--url", f"sqlite:///{file}") as process:
        until(lambda: file.exists() and len(processes.tree(process.pid)) >= 4)
        family = processes.tree(process.pid)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
    assert process.returncode == 130
    until(lambda: all(processes.state(pid) == "gone" for pid in family))

"""Rules of the repository: nothing of one machine in it, pinned requirements, two READMEs alike."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NOT_OURS = {"__pycache__", "build", "dist"}
DOT_FOLDERS_OF_OURS = {".ci", ".github"}

# Written in pieces, so that this file passes its own test.
PLACES = ["work", "root", "farm", r"home/\w+", r"Users/\w+"]
MACHINE_PATH = re.compile(rf"(?<![\w.~*}}])/(?:{'|'.join(PLACES)})(?![\w-])")
REGISTRIES = ["py" + "pi.org", "python" + "hosted.org", "npm" + "js.org", "npm" + "js.com", "crates" + ".io"]
REGISTRY_HOST = re.compile("|".join(re.escape(name) for name in REGISTRIES), re.IGNORECASE)
INDEX_OPTION = "--(?:(?:extra-)?index[-]url|find[-]links|trusted[-]host)"
INDEX_LINE = re.compile(rf"(?m)(?:^\s*-[if]|(?:^|\s){INDEX_OPTION})[ =]\S*[/:.]")
RULES = [MACHINE_PATH, REGISTRY_HOST, INDEX_LINE]


def our_files() -> Iterator[Path]:
    for folder, subfolders, names in os.walk(ROOT):
        subfolders[:] = [
            name
            for name in subfolders
            if name not in NOT_OURS and (not name.startswith(".") or name in DOT_FOLDERS_OF_OURS)
        ]
        yield from (Path(folder, name) for name in names)


def our_texts() -> Iterator[tuple[str, str]]:
    for path in our_files():
        try:
            yield path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue


def broken_rules(text: str) -> list[str]:
    return [match.group().strip() for rule in RULES for match in rule.finditer(text)]


def test_nothing_in_the_tree_names_a_machine_or_a_registry() -> None:
    texts = dict(our_texts())
    assert "pyproject.toml" in texts
    found = {name: broken for name, text in texts.items() if (broken := broken_rules(text))}
    assert not found, f"take these out: {found}"


@pytest.mark.parametrize(
    "text",
    [
        "cd /" + "work/main",
        "'/" + "root'",
        "see /" + "home/ada/postroad",
        "https://" + "py" + "pi.org/simple",
        "--index" + "-url https://mirror.invalid/simple",
        "msgspec==1\n-f" + " ./wheels",
    ],
)
def test_the_rules_find_what_they_forbid(text: str) -> None:
    assert broken_rules(text)


@pytest.mark.parametrize(
    "text",
    ["docs/work.md", "https://example.com/root/", "/workflows", "[[ -f ./pid ]]", "grep -i a.b", "~/work"],
)
def test_the_rules_leave_the_rest_alone(text: str) -> None:
    assert not broken_rules(text)


def requirements(name: str) -> list[str]:
    joined = (ROOT / "requirements" / name).read_text(encoding="utf-8").replace("\\\n", " ")
    return [line for line in joined.splitlines() if line.strip() and not line.startswith("#")]


@pytest.mark.parametrize("name", ["pip.txt", "runtime.txt", "dev.txt", "bench.txt"])
def test_every_requirement_is_pinned_and_hashed(name: str) -> None:
    lines = requirements(name)
    assert lines
    whole = re.compile(r"[a-z0-9][\w.-]*==[\w.]+ .*--hash=sha256:[0-9a-f]{64}")
    assert not [line for line in lines if not whole.match(line)]


def pinned(name: str) -> dict[str, str]:
    return dict(line.split()[0].split("==", 1) for line in requirements(name))


def test_one_version_of_each_requirement() -> None:
    """`make demo`, `make test` and `make bench` share an environment: their pins must agree."""
    runtime, dev, bench = pinned("runtime.txt"), pinned("dev.txt"), pinned("bench.txt")
    assert runtime.items() <= dev.items()
    shared = bench.keys() & dev.keys()
    assert {name: bench[name] for name in shared} == {name: dev[name] for name in shared}


def test_the_hard_dependencies_are_the_two_that_are_explained() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = {re.split(r"[<>=!~\[; ]", line)[0] for line in project["dependencies"]}
    assert names == {"apsw", "msgspec"}
    assert names <= pinned("runtime.txt").keys()


def code_blocks(name: str) -> list[str]:
    return re.findall(r"(?ms)^```.*?^```$", (ROOT / name).read_text(encoding="utf-8"))


def test_the_two_readmes_show_the_same_code() -> None:
    blocks = code_blocks("README.md")
    assert blocks
    assert code_blocks("README.zh-CN.md") == blocks

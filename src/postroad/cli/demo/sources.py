"""Which files are source files, and what one holds. Used by the tasks, and by the one process that counts again."""

from __future__ import annotations

import ast
import io
import os
import sysconfig
import threading
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

INSTALLED = ("site-packages", "dist-packages")
BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")

PARSER = threading.Lock()
"""Python before 3.12.2 counts the depth of all threads' syntax trees together, and trips over it (python/cpython#106905)."""


class Contents(NamedTuple):
    """Of one file. ``modules``: the absolute names it imports, each once; none when it does not parse."""

    lines: int
    words: int
    functions: int
    classes: int
    modules: frozenset[str]


def standard_library() -> Path:
    """The running Python's own."""
    return Path(sysconfig.get_paths()["stdlib"])


def entries(folder: Path, root: Path) -> tuple[list[str], list[str]]:
    """(subfolders, source files) of one folder, by name; links are not followed.

    Packages installed into the standard library's folder are not part of it. Raises OSError.
    """
    skipped = INSTALLED if root == standard_library() else ()
    with os.scandir(folder) as found:
        present = sorted((entry for entry in found if sendable(entry.name)), key=lambda entry: entry.name)
    folders = [entry.name for entry in present if entry.is_dir(follow_symlinks=False) and entry.name not in skipped]
    files = [entry.name for entry in present if entry.name.endswith(".py") and entry.is_file(follow_symlinks=False)]
    return folders, files


def sendable(name: str) -> bool:
    """A name that is no text cannot be an argument of a task."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def source_files(root: Path) -> Iterator[Path]:
    """All below a folder; folders that cannot be read are passed over."""
    waiting = [root]
    while waiting:
        folder = waiting.pop()
        try:
            folders, files = entries(folder, root)
        except OSError:
            continue
        waiting += [folder / name for name in folders]
        yield from (folder / name for name in files)


def contents(data: bytes) -> Contents:
    """Decode as Python would (PEP 263) and count. Raises SyntaxError (an unknown encoding), UnicodeDecodeError or LookupError."""
    encoding, _lines = tokenize.detect_encoding(io.BytesIO(data).readline)
    text = data.decode(encoding)
    functions, classes, modules = structure(text)
    return Contents(len(text.splitlines()), len(text.split()), functions, classes, modules)


def structure(text: str) -> tuple[int, int, frozenset[str]]:
    """(functions, classes, imported modules); nothing for a text this Python cannot parse, as Python 2 in its tests."""
    try:
        with PARSER:
            tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return 0, 0, frozenset()
    found = list(statements(tree))
    functions = sum(isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) for node in found)
    classes = sum(isinstance(node, ast.ClassDef) for node in found)
    return functions, classes, frozenset(name for node in found for name in imported(node))


def statements(tree: ast.AST) -> Iterator[ast.AST]:
    """Every statement: imports, functions and classes are nothing else, so expressions are left alone."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        for block in BLOCKS:
            waiting += getattr(node, block, ())


def imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module is not None and not node.level:
        return [node.module]
    return []

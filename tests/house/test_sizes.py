"""Functions and files stay small enough to be read at one sitting."""

from __future__ import annotations

import ast
import statistics
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FUNCTION_MAX = 70
FUNCTION_P95 = 30
FUNCTION_MEDIAN = 6
FILE_MAX = 500


def python_files() -> list[Path]:
    return sorted(path for folder in ("src", "benchmarks") for path in (ROOT / folder).rglob("*.py"))


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not is_stub(node):
            yield node


def is_stub(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """A protocol's method or an overload: its body is a docstring, `...` or both, and has no size."""
    return all(
        isinstance(line, ast.Expr)
        and isinstance(line.value, ast.Constant)
        and (line.value.value is ... or isinstance(line.value.value, str))
        for line in node.body
    )


def function_sizes(source: str) -> list[tuple[int, str]]:
    return [
        (node.end_lineno - node.lineno + 1, f"{node.name}, line {node.lineno}")
        for node in functions(ast.parse(source))
        if node.end_lineno is not None
    ]


def all_function_sizes() -> list[tuple[int, str]]:
    return [
        (size, f"{path.relative_to(ROOT)}: {name}")
        for path in python_files()
        for size, name in function_sizes(path.read_text(encoding="utf-8"))
    ]


def percentile(sizes: list[int], share: float) -> int:
    return sorted(sizes)[min(len(sizes) - 1, int(len(sizes) * share))]


def test_no_function_is_above_the_limit() -> None:
    above = [f"{name}: {size} lines" for size, name in all_function_sizes() if size > FUNCTION_MAX]
    assert not above, f"split these (the limit is {FUNCTION_MAX} lines): {above}"


def test_no_file_is_above_the_limit() -> None:
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in python_files()}
    above = [f"{path.relative_to(ROOT)}: {size} lines" for path, size in lengths.items() if size > FILE_MAX]
    assert lengths
    assert not above, f"split these (the limit is {FILE_MAX} lines): {above}"


def test_most_functions_are_short(capsys: pytest.CaptureFixture[str]) -> None:
    sizes = [size for size, _ in all_function_sizes()]
    median, p95 = statistics.median(sizes), percentile(sizes, 0.95)
    with capsys.disabled():
        print(f"\nsizes: {len(sizes)} functions, median {median:g}, p95 {p95}, longest {max(sizes)} lines")
    assert median <= FUNCTION_MEDIAN
    assert p95 <= FUNCTION_P95


def test_the_measure_itself() -> None:
    source = 'def stub() -> None:\n    """Words."""\n    ...\n\nasync def two() -> int:\n    return 2\n'
    assert function_sizes(source) == [(2, "two, line 5")]
    assert percentile(list(range(1, 101)), 0.95) == 96

"""Order by key and by number, over several processes."""

from __future__ import annotations

from collections.abc import Callable

from tests.examples.example import Example


def by_account(lines: list[str]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for account, number, _ in map(str.split, lines):
        found.setdefault(account, []).append(int(number))
    return found


def test_ordered(example: Callable[[str], Example]) -> None:
    bank = example("ordered")
    assert bank.run("put.py") == ["69 arrived by number, 9 of them twice"]
    with bank.worker("-p", 2, "-t", 4):
        bank.until(lambda: len(bank.lines("by-key.txt")) >= 60 and len(bank.lines("by-number.txt")) >= 60)
    in_order = {account: list(range(1, 21)) for account in ("anna", "ben", "cleo")}
    assert by_account(bank.lines("by-key.txt")) == in_order
    assert by_account(bank.lines("by-number.txt")) == in_order

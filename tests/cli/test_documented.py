"""Every command, verb and flag stands in the reference."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from postroad.cli.commands import COMMANDS
from postroad.cli.main import build_parser

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "command-line.md"


def words_of(parser: argparse.ArgumentParser) -> Iterator[str]:
    for action in parser._actions:
        yield from action.option_strings
        if isinstance(action, argparse._SubParsersAction):
            for verb, child in action.choices.items():
                yield verb
                yield from words_of(child)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_word_of_a_command_is_in_the_reference(command: str) -> None:
    page = PAGE.read_text(encoding="utf-8")
    parser = build_parser(command, importlib.import_module(COMMANDS[command].module))
    words = {word for word in words_of(parser) if word not in ("-h", "--help")}
    assert command in words and f"\n## {command}\n" in page
    missing = {word for word in words if f"`{word}" not in page and f" {word}" not in page}
    assert not missing

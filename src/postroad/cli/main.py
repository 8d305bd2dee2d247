"""The entry point: finds the command, runs it, and turns errors into one paragraph and an exit code."""

from __future__ import annotations

import argparse
import difflib
import importlib
import io
import os
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from postroad.cli import exits
from postroad.cli.commands import COMMANDS, PLANNED
from postroad.errors import NotSupported, PostroadError

EPILOG = """\
settings: a flag, else the environment (POSTROAD_URL, ...), else [tool.postroad] in pyproject.toml
exit codes: 0 ok, 1 failed, 2 usage, 3 partial, 5 not found, 6 engine unreachable, 7 timeout
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line; answers its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal that cannot show a character still gets the rest
    try:
        code = exit_code(words)
        sys.stdout.flush()  # here, where a reader that has left is no error; not at interpreter exit
        return code
    except BrokenPipeError:
        return reader_left()
    except KeyboardInterrupt:
        return exits.INTERRUPTED
    except Exception as error:
        if "--traceback" in words:
            raise
        return report(error)


def exit_code(words: Sequence[str]) -> int:
    """The command's; argparse ends help, version and usage by SystemExit."""
    try:
        return run(words)
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else exits.OK


def run(words: Sequence[str]) -> int:
    name = next((word for word in words if not word.startswith("-")), None)
    if name in PLANNED:
        raise NotSupported(f"postroad {name}: not built yet.")
    module = importlib.import_module(COMMANDS[name].module) if name in COMMANDS else None
    parser = build_parser(name, module)
    options, rest = parser.parse_known_args(words)
    if module is None:
        raise AssertionError("argparse accepts only the commands it knows")
    if rest and not (hasattr(module, "take_rest") and module.take_rest(options, rest)):
        parser.error(f"these arguments are not known: {' '.join(rest)}")
    return int(module.run(options))


def build_parser(name: str | None, module: ModuleType | None) -> argparse.ArgumentParser:
    """All commands by name and help; the arguments of only the one that is asked for."""
    parser = Parser(
        prog="postroad",
        description="Durable tasks: run workers, look at queues, results and dead letters.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=ShowVersion, nargs=0, help="show the version and exit")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=Parser)
    for command, entry in COMMANDS.items():
        words = f"{entry.help[0].upper()}{entry.help[1:]}."
        child = commands.add_parser(command, help=entry.help, description=words)
        if command == name and module is not None:
            module.arguments(child)
    return parser


class Parser(argparse.ArgumentParser):
    """argparse, but a mistake offers the nearest word."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(allow_abbrev=False, **kwargs)

    def _check_value(self, action: argparse.Action, value: object) -> None:
        if action.choices is not None and value not in action.choices:
            close = difflib.get_close_matches(str(value), [str(choice) for choice in action.choices], n=1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            known = ", ".join(str(choice) for choice in action.choices)
            raise argparse.ArgumentError(action, f"{value!r} is not known{hint} (one of: {known})")


class ShowVersion(argparse.Action):
    """Reads the installed package's version only when asked."""

    def __call__(self, parser: argparse.ArgumentParser, *_others: object) -> None:
        from importlib.metadata import version

        print(f"postroad {version('postroad')}")
        parser.exit()


def report(error: Exception) -> int:
    """One paragraph on stderr."""
    from postroad.observe.plaintext import block

    if isinstance(error, PostroadError):
        text = str(error) or type(error).__name__
    else:
        kind = type(error).__name__
        text = f"unexpected {kind}: {error}. Run it again with --traceback to see where, and report it."
    print(f"postroad: {block(text).strip()}", file=sys.stderr)
    return exits.code_for(error)


def reader_left() -> int:
    """Whoever read our output has gone (``| head``): end without a word, also at interpreter exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return exits.OK

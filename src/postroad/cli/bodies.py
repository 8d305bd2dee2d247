"""Bodies and headers as they are given on a command line."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from postroad.errors import InvalidOption, NotFound


def body_arguments(parser: argparse.ArgumentParser, *, name: str = "body", optional: bool = False) -> None:
    """JSON, ``-`` for standard input, ``@file``; ``--raw`` for bytes that are no JSON."""
    help = "JSON, as '{\"id\": 1}'; - reads standard input, @FILE a file"
    if optional:
        parser.add_argument(f"--{name}", metavar="JSON|-|@FILE", help=help)
    else:
        parser.add_argument(name, metavar="JSON|-|@FILE", help=help)
    parser.add_argument("--raw", action="store_true", help="take the body as it is, also when it is no JSON")


def body_of(given: str, *, raw: bool = False) -> bytes:
    """The bytes, unchanged. Raises InvalidOption for what is no JSON (unless ``raw``), NotFound for a file that is not there."""
    body = read(given)
    if not raw:
        refuse_no_json(body)
    return body


def read(given: str) -> bytes:
    if given == "-":
        return sys.stdin.buffer.read()
    if not given.startswith("@"):
        return given.encode(errors="surrogateescape")
    try:
        return Path(given[1:]).read_bytes()
    except OSError as error:
        raise NotFound(
            f"{given[1:]} cannot be read: {error.strerror or error}. A body that begins with @ names a file."
        ) from error


def refuse_no_json(body: bytes) -> None:
    """By the decoder that the handlers' side uses."""
    import msgspec

    try:
        msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        text = body[:40].decode(errors="replace")
        hint = f"; a text is written {json.dumps(text)!r}" if body.isalnum() else ""
        raise InvalidOption(f"The body is no JSON: {error}{hint}. --raw sends it as it is.") from error


def header_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--header", metavar="K=V", action="append", type=header, default=[], help="a header; may be given again"
    )


def header(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise argparse.ArgumentTypeError(f"{text!r} is no header: write name=value")
    return name, value


def content_type(raw: bool) -> str:
    return "application/octet-stream" if raw else "application/json"


def headers_of(given: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Raises InvalidOption for what is the engine's own."""
    own = [name for name, _value in given if name.startswith("postroad-")]
    if own:
        raise InvalidOption(f"--header {own[0]}=...: headers that begin with postroad- are the engine's own.")
    return dict(given)

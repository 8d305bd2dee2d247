"""Log lines: text and JSON, the task in every record of a handler, nothing that acts on a terminal."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from postroad.core.delivery import Delivery
from postroad.core.message import Message
from postroad.engine.context import CURRENT, HandlerContext
from postroad.errors import InvalidOption
from postroad.observe import logs
from postroad.observe.plaintext import block, line

logger = logging.getLogger("tests.logs")


@pytest.fixture(autouse=True)
def root_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def in_a_handler() -> Iterator[None]:
    delivery = Delivery(Message("the-id", b"[[],{}]"), "default", (1, 1), attempt=3)
    token = CURRENT.set(HandlerContext(delivery, "shop.add", None, None))
    yield
    CURRENT.reset(token)


def logged(format: str, message: str, *args: object, **options: object) -> str:
    stream = io.StringIO()
    logs.configure(format, "DEBUG", stream)
    logger.warning(message, *args, **options)  # type: ignore[arg-type]
    return stream.getvalue()


@pytest.mark.usefixtures("in_a_handler")
def test_a_record_in_a_handler_says_which_task() -> None:
    entry = json.loads(logged("json", "hello %s", "you", extra={"cat": "grey"}))
    assert (entry["task"], entry["id"], entry["attempt"], entry["cat"]) == ("shop.add", "the-id", 3, "grey")
    assert (entry["level"], entry["logger"], entry["message"]) == ("WARNING", "tests.logs", "hello you")
    text = logged("text", "hello")
    assert "tests.logs: hello" in text and "task=shop.add id=the-id attempt=3 worker=" in text


def test_outside_a_handler_there_is_no_task() -> None:
    assert not {"task", "id", "attempt"} & json.loads(logged("json", "hello")).keys()
    assert "task=" not in logged("text", "hello")


def test_text_cannot_fake_a_line() -> None:
    text = logged("text", "a\nINFO b\x1b[2J\x07", extra={"who": "x\r\ny"})
    assert text.count("\n") == 1
    assert "a INFO b" in text and "who=x y" in text
    assert not {"\x1b", "\x07", "\r"} & set(text)


def test_a_traceback_is_indented_in_text_and_a_field_in_json() -> None:
    try:
        raise ValueError("x\nINFO forged\x1b[2J")
    except ValueError:
        text = logged("text", "failed", exc_info=True)
        entry = json.loads(logged("json", "failed", exc_info=True))
    assert all(part.startswith("    ") for part in text.splitlines()[1:]) and "\x1b" not in text
    assert entry["error_type"] == "ValueError" and "raise ValueError" in entry["traceback"]


class Mute:
    def __repr__(self) -> str:
        raise RuntimeError("no")


def test_a_value_that_has_no_text_does_not_lose_the_record() -> None:
    assert "RuntimeError" in json.loads(logged("json", "hello", extra={"thing": Mute()}))["thing"]
    assert "hello" in logged("text", "hello", extra={"thing": Mute()})


def test_configuring_again_replaces() -> None:
    first, second = io.StringIO(), io.StringIO()
    logs.configure("text", "INFO", first)
    logs.configure("json", "warning", second)
    logger.info("quiet")
    logger.warning("loud")
    assert not first.getvalue() and "loud" in second.getvalue() and "quiet" not in second.getvalue()


@pytest.mark.parametrize(("format", "level"), [("xml", "INFO"), ("text", "LOUD")])
def test_what_cannot_be_configured(format: str, level: str) -> None:
    with pytest.raises(InvalidOption):
        logs.configure(format, level)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("\u00e4 \u4e2d\u6587 \U0001f408", "\u00e4 \u4e2d\u6587 \U0001f408"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07after", "after"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x9b31mred", "red"),
        ("a\x00b\x7fc\x85d", "abc d"),
        ("\u202eabc\u2066\u200bd\ufeff", "abcd"),
        ("one\ntwo\tthree\r\nfour", "one two three four"),
    ],
)
def test_a_line(text: str, shown: str) -> None:
    assert line(text) == shown


def test_a_block_keeps_its_lines() -> None:
    assert block("one\n\ttwo\x1b[2J\r\nthree\x08") == "one\n\ttwo\nthree"


def test_a_line_is_cut() -> None:
    assert line("abcdef", 4) == "abc\u2026"
    assert line("abcd", 4) == "abcd"

"""Printing: aligned text for people, JSON for programs. Control characters are stripped here."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from postroad.observe.plaintext import block, line

UNSAFE = re.compile("[\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")
CELL_WIDTH_MAX = 60


class Column(NamedTuple):
    """``cell`` gives the text of one item; numbers are aligned to the right."""

    title: str
    cell: Callable[[Any], str]
    right: bool = False


def items(values: Sequence[Any], columns: Sequence[Column], output: str, empty: str) -> None:
    """A list: a table, one JSON array, or one JSON object a line. ``empty`` is said when there is nothing."""
    if output == "text":
        print("\n".join(table(values, columns)) if values else empty)
    elif output == "json":
        print(as_json(list(values)))
    else:
        for value in values:
            print(as_json(value, indent=0))


def item(value: Any, fields: Sequence[tuple[str, str | None]], output: str) -> None:
    """One thing: its fields below each other, or one JSON object."""
    if output == "text":
        print("\n".join(sheet(fields)))
    else:
        print(as_json(value, indent=2 if output == "json" else 0))


def table(values: Sequence[Any], columns: Sequence[Column]) -> list[str]:
    rows = [[column.title for column in columns]] + [
        [line(column.cell(value), CELL_WIDTH_MAX) for column in columns] for value in values
    ]
    widths = [max(len(row[index]) for row in rows) for index in range(len(columns))]
    return [aligned(row, widths, columns) for row in rows]


def aligned(row: Sequence[str], widths: Sequence[int], columns: Sequence[Column]) -> str:
    cells = zip(row, widths, columns, strict=True)
    padded = (cell.rjust(width) if column.right else cell.ljust(width) for cell, width, column in cells)
    return "  ".join(padded).rstrip()


def sheet(fields: Sequence[tuple[str, str | None]]) -> list[str]:
    """Names and values; a value of several lines stands below its name, indented."""
    present = [(name, block(value)) for name, value in fields if value]
    width = max((len(name) for name, _value in present), default=0)
    lines: list[str] = []
    for name, value in present:
        if "\n" in value:
            lines += [f"{name}:", *("    " + part for part in value.rstrip("\n").split("\n"))]
        else:
            lines.append(f"{name.ljust(width)}  {value}")
    return lines


def as_json(value: Any, indent: int = 2) -> str:
    """JSON in which no character can act on a terminal: those msgspec leaves as they are are escaped."""
    import msgspec

    encoded = msgspec.json.encode(value)
    return escaped((msgspec.json.format(encoded, indent=indent) if indent else encoded).decode())


def escaped(text: str) -> str:
    """JSON text that says the same in characters that do nothing."""
    return UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def did(facts: dict[str, Any], words: str, output: str) -> None:
    """What a verb has done: a sentence, or one JSON object."""
    print(block(words) if output == "text" else as_json(facts, indent=0))


def note(text: str) -> None:
    """For people, beside the output."""
    print(block(text), file=sys.stderr)


def several(number: int, noun: str) -> str:
    """ "1 task", "2,000 tasks"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def age(seconds: float | None) -> str:
    """As short as it can be said: 0.4s 12s 5m 3h 2d; "-" for None."""
    if seconds is None:
        return "-"
    seconds = max(seconds, 0.0)
    if seconds < 10:
        return f"{seconds:.1f}s"
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= 2 * size:
            return f"{int(seconds // size)}{unit}"
    return f"{int(seconds)}s"


def ago(at: float | None) -> str:
    """How long since a wall-clock time; "in 5m" for one to come."""
    if at is None:
        return "-"
    past_s = time.time() - at
    return f"{age(past_s)} ago" if past_s >= 0 else f"in {age(-past_s)}"


def moment(at: float | None) -> str | None:
    """A wall-clock time in this machine's zone, to the millisecond."""
    if at is None:
        return None
    from datetime import datetime

    return datetime.fromtimestamp(at).astimezone().isoformat(sep=" ", timespec="milliseconds")


def clear_screen() -> None:
    """Before a redraw; a pipe just gets the next picture."""
    if sys.stdout.isatty():
        sys.stdout.write("\x1b[H\x1b[2J")

"""Dead letters in a file: one JSON object a line, bodies in base64."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from postroad.core import codec
from postroad.ports.driver import DeadLetterRecord

ENCODE = msgspec.json.Encoder().encode
DECODE = msgspec.json.Decoder(DeadLetterRecord).decode


def written(letter: DeadLetterRecord) -> bytes:
    """Its line."""
    return ENCODE(letter) + b"\n"


def read_letters(path: Path, page: int) -> Iterator[list[DeadLetterRecord]]:
    """In pages. All lines are read before the first page is handed out: a broken file is refused whole.

    Raises Undecodable, naming the line.
    """
    for _letter in lines(path):
        pass
    letters: list[DeadLetterRecord] = []
    for letter in lines(path):
        letters.append(letter)
        if len(letters) == page:
            yield letters
            letters = []
    if letters:
        yield letters


def lines(path: Path) -> Iterator[DeadLetterRecord]:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                yield codec.decode(DECODE, line, f"{path.name}, line {number}: a dead letter as export writes it")



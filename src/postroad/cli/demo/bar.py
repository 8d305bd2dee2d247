"""The progress bar: redrawn on a terminal, a line now and then elsewhere. On stderr."""

from __future__ import annotations

import sys
import time
from typing import TextIO

WIDTH = 30
REDRAW_S = 0.1
STEP = 0.1


class Bar:
    """``total``: what 100 % is."""

    def __init__(self, total: int, stream: TextIO | None = None) -> None:
        self.total = max(total, 1)
        self.stream = stream or sys.stderr
        self.redraws = self.stream.isatty()
        self.said = -STEP
        self.drawn_at = 0.0
        self.open = False

    def show(self, done: int, words: str) -> None:
        """How far it is, with a few words beside."""
        share = min(done / self.total, 1.0)
        if self.redraws and time.monotonic() - self.drawn_at >= REDRAW_S:
            self.drawn_at = time.monotonic()
            self.open = True
            self.write(f"\r\x1b[K{drawn(share)} {words}")
        elif not self.redraws and share >= self.said + STEP:
            self.said = share
            self.write(f"{drawn(share)} {words}\n")

    def note(self, words: str) -> None:
        """A line of its own; the bar goes on below it."""
        self.write(f"\r\x1b[K{words}\n" if self.open else f"{words}\n")
        self.open = False

    def close(self, words: str) -> None:
        """The last picture: all is done."""
        if self.redraws:
            self.write(f"\r\x1b[K{drawn(1.0)} {words}\n")
        else:
            self.write(f"{drawn(1.0)} {words}\n")
        self.open = False

    def write(self, text: str) -> None:
        self.stream.write(text)
        self.stream.flush()


def drawn(share: float) -> str:
    full = int(share * WIDTH)
    return f"[{'#' * full}{'.' * (WIDTH - full)}] {share:4.0%}"

"""Text made safe for a terminal and a log: it cannot move the cursor or fake a line."""

from __future__ import annotations

import re
import unicodedata

SEQUENCE = re.compile(r"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b\[[0-?]*[ -/]*[@-~]|\x9b[0-?]*[ -/]*[@-~]|\x1b[@-Z\\^_]")
"""Terminal control sequences as a whole (ECMA-48), so that no "[31m" stays behind."""
BREAKS = re.compile(r"[\r\n\t\v\f\x85\u2028\u2029]+")
HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
KEPT = "\n\t\u200d"


def block(text: str) -> str:
    """The text with its lines and tabs, without control, direction and other invisible characters."""
    if text.isascii() and text.isprintable():
        return text
    shown = SEQUENCE.sub("", text).replace("\r\n", "\n")
    return "".join(character for character in shown if is_shown(character))


def is_shown(character: str) -> bool:
    return character in KEPT or unicodedata.category(character) not in HIDDEN


def line(text: str, width: int | None = None) -> str:
    """The same on one line; cut to ``width`` characters, the last then an ellipsis."""
    shown = text if text.isascii() and text.isprintable() else block(BREAKS.sub(" ", SEQUENCE.sub("", text)))
    if width is not None and len(shown) > width:
        return shown[: max(width - 1, 0)] + "…"
    return shown

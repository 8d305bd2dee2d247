"""For --reload: which source files changed since the last look."""

from __future__ import annotations

import os
from collections.abc import Iterator

Stamp = tuple[int, int]
"""mtime in ns and size: a file that is emptied and written again within one tick of the clock has changed twice."""

SKIPPED = {"__pycache__", "node_modules", "site-packages", "venv"}


class SourceTree:
    """The Python files below a folder, hidden and installed ones left out."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.seen = dict(self.files(root))

    def changed(self) -> str:
        """A file that was added, removed or altered since the last look; "" for none."""
        now = dict(self.files(self.root))
        different = sorted(set(now.items()) ^ set(self.seen.items()))
        self.seen = now
        return os.path.relpath(different[0][0], self.root) if different else ""

    def files(self, folder: str) -> Iterator[tuple[str, Stamp]]:
        """Each with what changes when it does."""
        try:
            entries = list(os.scandir(folder))
        except OSError:
            return
        for entry in entries:
            if entry.name.startswith(".") or entry.name in SKIPPED:
                continue
            yield from self.entry(entry)

    def entry(self, entry: os.DirEntry[str]) -> Iterator[tuple[str, Stamp]]:
        try:
            if entry.is_dir(follow_symlinks=False):
                yield from self.files(entry.path)
            elif entry.name.endswith(".py"):
                facts = entry.stat()
                yield entry.path, (facts.st_mtime_ns, facts.st_size)
        except OSError:
            return

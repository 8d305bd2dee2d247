"""What a producer is told."""

from __future__ import annotations

import msgspec


class Order(msgspec.Struct, frozen=True):
    """Read from its input. ``numbers``: in this order; ``seed``: for the sizes of its batches."""

    url: str
    folder: str
    run: str
    seed: int
    numbers: list[int]

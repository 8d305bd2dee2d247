"""A listener with nothing to do."""

from __future__ import annotations

from collections.abc import Sequence

from postroad.core.delivery import Delivery


class Quiet:
    """In memory nobody else takes what is held, and the connection stays."""

    def lost(self, held: Sequence[Delivery], why: str) -> None:
        """Nothing is."""

    def state(self, state: str) -> None:
        """Always connected."""

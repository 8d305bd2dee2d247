"""Events and subscriptions, as an app or a router declares them."""

from __future__ import annotations

from postroad.app.parts import P


class DeclaresEvents:
    """Who inherits takes the parts in by `declare`."""

    def declare(self, part: P) -> P:
        raise NotImplementedError

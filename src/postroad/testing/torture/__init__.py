"""Torture: real workers and producers, killed again and again, and a count of what became of every message.

`torture` runs it; ``postroad torture`` is the same from the command line. What handlers and producers did is noted
outside the engine, so that the engine's own word is not taken for anything.
"""

from __future__ import annotations

from postroad.testing.torture.conductor import Plan, torture
from postroad.testing.torture.tally import Tally
from postroad.testing.torture.verdict import Kills, Verdict

__all__ = ["Kills", "Plan", "Tally", "Verdict", "torture"]

"""What can go wrong in the harness; each message says what happened, why, and what to do."""

from __future__ import annotations


class BenchmarkError(Exception):
    """A measurement could not be taken."""


class Missing(BenchmarkError):
    """Something that must be installed is not."""


class Stalled(BenchmarkError):
    """Workers made no progress, or ended, before their tasks were done."""

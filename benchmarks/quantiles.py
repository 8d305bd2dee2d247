"""The few figures that samples are reduced to."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

__all__ = ["median", "p50_p99", "quantile"]


def quantile(samples: Sequence[float], share: float) -> float:
    """The sample below which `share` of all lie (nearest rank)."""
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def p50_p99(samples: Sequence[float]) -> dict[str, float]:
    return {"p50": quantile(samples, 0.50), "p99": quantile(samples, 0.99)}

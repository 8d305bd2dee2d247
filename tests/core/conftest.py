"""Property tests are the same on every run of `make test`; `make stress` draws anew, and more."""

from __future__ import annotations

import os

from hypothesis import settings

ROUNDS = int(os.environ.get("POSTROAD_STRESS", "1"))

settings.register_profile(
    "postroad", derandomize=ROUNDS == 1, max_examples=100 * min(ROUNDS, 20), deadline=None, database=None
)
settings.load_profile("postroad")

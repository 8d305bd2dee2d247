"""What every test gets; fixtures of one area live in that area's conftest."""

from __future__ import annotations

import os

import pytest


@pytest.fixture(autouse=True)
def no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer's own POSTROAD_* settings do not reach the tests."""
    for name in [name for name in os.environ if name.startswith("POSTROAD_")]:
        if name not in ("POSTROAD_STRESS", "POSTROAD_REQUIRE"):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def stress_rounds() -> int:
    """How often a stress test repeats: 1 in `make test`, 20 in `make stress`."""
    return int(os.environ.get("POSTROAD_STRESS", "1"))

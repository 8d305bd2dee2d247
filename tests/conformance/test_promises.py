"""Every promise on every engine that claims it. `make stress` runs each twenty times."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from postroad.testing import conformance
from postroad.testing.conformance import CHECKS, Check, EmbeddedEngine, Engine, MemoryEngine

ROUNDS = int(os.environ.get("POSTROAD_STRESS", "1"))
ENGINES: tuple[type[Engine], ...] = (EmbeddedEngine, MemoryEngine)

pytestmark = [pytest.mark.conformance, *([pytest.mark.stress] if ROUNDS > 1 else [])]


def offered(kind: type[Engine]) -> frozenset[str]:
    with tempfile.TemporaryDirectory() as folder:
        return conformance.features(kind(Path(folder)))


OFFERED = {kind.name: offered(kind) for kind in ENGINES}
CLAIMED = [(kind, check) for kind in ENGINES for check in CHECKS if conformance.claimed(check, OFFERED[kind.name])]


@pytest.mark.timeout(120 * ROUNDS)
@pytest.mark.parametrize(("kind", "check"), CLAIMED, ids=[f"{kind.name}:{check}" for kind, check in CLAIMED])
def test_promise(kind: type[Engine], check: Check, tmp_path: Path) -> None:
    for number in range(ROUNDS):
        folder = tmp_path / str(number)
        folder.mkdir()
        conformance.run(check, kind(folder))


@pytest.mark.parametrize(
    ("name", "lacks"),
    [
        ("sqlite", set()),
        ("memory", {"kept", "processes", "shared", "starts can be lost"}),
    ],
)
def test_what_an_engine_does_not_claim_is_known(name: str, lacks: set[str]) -> None:
    """A feature that is lost makes its checks disappear: here that is seen."""
    assert set(conformance.FEATURES) - OFFERED[name] == lacks


def test_nothing_is_left_unchecked_on_a_file() -> None:
    assert conformance.unclaimed(OFFERED["sqlite"]) == []


def test_every_promise_has_checks() -> None:
    assert len({check.promise for check in CHECKS}) == len(conformance.PROMISES)
    assert len({str(check) for check in CHECKS}) == len(CHECKS)
